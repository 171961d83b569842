import { describe, expect, it } from 'vitest';
import type { SipHeader, SipRequest } from '../../../protocol/sip/message.ts';
import { emptyBody } from '../../../protocol/sip/message.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { SessionTimer, type SessionTimerSettings } from '../../../protocol/sip/session-timer.ts';

function request(headers: Readonly<Record<string, string>>): SipRequest {
  const list: SipHeader[] = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { kind: 'request', method: 'UPDATE', uri: 'sip:a@b', headers: list, body: emptyBody };
}

const settings: SessionTimerSettings = { expiresSeconds: 1_800, minSeSeconds: 90, refresher: 'peer' };
const ours: SessionTimerSettings = { ...settings, refresher: 'us' };
const timer = { Supported: 'timer' };

function textOf(headers: readonly SipHeader[]): string {
  return headers.map(({ name, value }) => `${name}: ${value}`).join(' | ');
}

/** RFC 4028 §9: what an answer says, by what was asked. */
const answers: readonly {
  readonly name: string;
  readonly asked: Readonly<Record<string, string>>;
  readonly own?: SessionTimerSettings;
  readonly answer: string;
}[] = [
  {
    name: 'the caller refreshes where it can and leaves it open',
    asked: { ...timer, 'Session-Expires': '1800' },
    answer: 'Require: timer | Session-Expires: 1800;refresher=uac',
  },
  {
    name: 'we do, where we want to',
    asked: { ...timer, 'Session-Expires': '1800' },
    own: ours,
    answer: 'Require: timer | Session-Expires: 1800;refresher=uas',
  },
  {
    name: 'the wish of the caller is kept: uac',
    asked: { ...timer, 'Session-Expires': '1800;refresher=uac' },
    own: ours,
    answer: 'Require: timer | Session-Expires: 1800;refresher=uac',
  },
  {
    name: 'the wish of the caller is kept: uas',
    asked: { ...timer, 'Session-Expires': '1800;refresher=uas' },
    answer: 'Require: timer | Session-Expires: 1800;refresher=uas',
  },
  {
    name: 'a proxy asked for a caller that knows nothing of it: we do',
    asked: { 'Session-Expires': '1800' },
    answer: 'Session-Expires: 1800;refresher=uas',
  },
  {
    name: 'nobody asked, the caller can',
    asked: timer,
    answer: 'Require: timer | Session-Expires: 1800;refresher=uac',
  },
  { name: 'nobody asked, the caller cannot', asked: {}, answer: '' },
  {
    name: 'ours is shorter',
    asked: { ...timer, 'Session-Expires': '9000' },
    answer: 'Require: timer | Session-Expires: 1800;refresher=uac',
  },
  {
    name: 'but not below what a proxy wants at least',
    asked: { ...timer, 'Session-Expires': '9000', 'Min-SE': '3600' },
    answer: 'Require: timer | Session-Expires: 3600;refresher=uac',
  },
  {
    name: 'theirs is shorter',
    asked: { ...timer, 'Session-Expires': '90' },
    answer: 'Require: timer | Session-Expires: 90;refresher=uac',
  },
  {
    name: 'a broken one is none',
    asked: { ...timer, 'Session-Expires': 'soon' },
    answer: 'Require: timer | Session-Expires: 1800;refresher=uac',
  },
  {
    name: 'in the compact form, as part of a list',
    asked: { Supported: '100rel', Require: 'timer', 'Session-Expires': '600' },
    answer: 'Require: timer | Session-Expires: 600;refresher=uac',
  },
];

describe('the 2xx', () => {
  it.each(answers)('$name', ({ asked, own = settings, answer }) => {
    expect(textOf(new SessionTimer(own).accept(request(asked), 0))).toBe(answer);
  });

  it('keeps the roles of the session in later requests', () => {
    const session = new SessionTimer(settings);
    session.accept(request({ ...timer, 'Session-Expires': '600;refresher=uas' }), 0);
    expect(textOf(session.accept(request({ ...timer, 'Session-Expires': '600' }), 1_000))).toContain(
      'refresher=uas',
    );
    expect(textOf(session.requestHeaders())).toBe('Session-Expires: 600;refresher=uac');
  });
});

describe('422', () => {
  it.each([
    ['too short, from one who knows timers', { ...timer, 'Session-Expires': '60' }, 'Min-SE: 300'],
    ['too short, from one who does not: a proxy asked', { 'Session-Expires': '60' }, undefined],
    ['long enough', { ...timer, 'Session-Expires': '300' }, undefined],
    ['none', timer, undefined],
  ])('%s', (_what, asked, headers) => {
    const refusal = new SessionTimer({ ...settings, minSeSeconds: 300 }).refuse(request(asked));
    expect(refusal && textOf(refusal)).toBe(headers);
  });

  it('raises what we ask for, once', () => {
    const session = new SessionTimer({ ...settings, expiresSeconds: 100 });
    const refusal = createResponse(request({}), 422, { headers: [{ name: 'Min-SE', value: '400' }] });
    expect([session.raise(refusal), session.raise(refusal)]).toEqual([true, false]);
    expect(textOf(session.requestHeaders())).toBe('Session-Expires: 400 | Min-SE: 400');
    expect(session.raise(createResponse(request({}), 422))).toBe(false);
  });
});

describe('time', () => {
  it.each([
    {
      name: 'we refresh at half of it',
      own: ours,
      seconds: 600,
      steps: [
        [300_000, 'refresh'],
        [600_000, 'end'],
      ],
    },
    { name: 'we wait until 32 s before its end', own: settings, seconds: 600, steps: [[568_000, 'end']] },
    { name: 'or until two thirds of a short one', own: settings, seconds: 90, steps: [[60_000, 'end']] },
  ])('$name', ({ own, seconds, steps }) => {
    const session = new SessionTimer(own);
    session.accept(request({ ...timer, 'Session-Expires': String(seconds) }), 0);
    for (const [atMs, event] of steps as [number, string][]) {
      expect(session.deadlineMs).toBe(atMs);
      expect(session.expire(atMs - 1)).toBeUndefined();
      expect(session.expire(atMs)).toBe(event);
    }
    expect(session.deadlineMs).toBeUndefined();
  });

  it('a failed refresh comes again after 10 s, until the end', () => {
    const session = new SessionTimer(ours);
    session.accept(request({ ...timer, 'Session-Expires': '90' }), 0);
    expect(session.expire(45_000)).toBe('refresh');
    session.refreshFailed(46_000);
    expect(session.expire(56_000)).toBe('refresh');
    session.refreshFailed(85_000);
    expect(session.expire(90_000)).toBe('end');
  });

  it('a 2xx without Session-Expires ends it', () => {
    const session = new SessionTimer(settings);
    session.confirm(
      createResponse(request({}), 200, {
        headers: [{ name: 'Session-Expires', value: '600;refresher=uac' }],
      }),
      0,
    );
    expect(session.agreed).toEqual({ seconds: 600, weRefresh: true });
    session.confirm(createResponse(request({}), 200), 10);
    expect([session.agreed, session.deadlineMs]).toEqual([undefined, undefined]);
  });

  it('without settings says and does nothing', () => {
    const session = new SessionTimer(undefined);
    const asked = request({ ...timer, 'Session-Expires': '10' });
    expect([session.accept(asked, 0), session.requestHeaders(), session.refuse(asked)]).toEqual([
      [],
      [],
      undefined,
    ]);
    expect(session.deadlineMs).toBeUndefined();
  });
});
