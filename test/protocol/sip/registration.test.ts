import { describe, expect, it } from 'vitest';
import type { SipHeader } from '../../../protocol/sip/message.ts';
import { Registration } from '../../../protocol/sip/registration.ts';
import { createRequest, createTestResponse } from './messages.ts';

const contact = '<sip:u@192.0.2.1:5060>';
const request = createRequest('REGISTER');

interface Answer {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string])[];
}

const responseOf = ({ status, headers = [] }: Answer) =>
  createTestResponse(
    request,
    status,
    't',
    headers.map(([name, value]): SipHeader => ({ name, value })),
  );

function create(random = 0): Registration {
  return new Registration({ expiresSeconds: 600, random: () => random }, 0);
}

/** Lets it send when it is due, and answers; the seconds that it asked for and when, in ms. */
function run(registration: Registration, answers: readonly Answer[]): { seconds: number; atMs: number }[] {
  return answers.map((answer) => {
    const atMs = registration.deadlineMs!;
    const seconds = registration.expire(atMs)!;
    registration.receive(responseOf(answer), contact, atMs);
    return { seconds, atMs };
  });
}

const granted = (seconds: number): Answer => ({
  status: 200,
  headers: [['Contact', `${contact};expires=${seconds}`]],
});

describe('a registration that is granted', () => {
  it.each([
    { what: 'by its Contact', headers: [['Contact', `${contact};expires=120`]], refreshMs: 60_000 },
    {
      what: 'by its Contact, not by the header',
      headers: [
        ['Expires', '60'],
        ['Contact', `${contact};expires=300`],
      ],
      refreshMs: 236_000,
    },
    {
      what: 'by its Contact among others',
      headers: [
        ['Contact', '<sip:u@192.0.2.9>;expires=1'],
        ['Contact', `${contact};expires=300`],
      ],
      refreshMs: 236_000,
    },
    {
      what: 'by a Contact that the registrar wrote anew',
      headers: [['Contact', '<sip:u@10.0.0.1:5060>;expires=300']],
      refreshMs: 236_000,
    },
    {
      what: 'by the header alone',
      headers: [
        ['Contact', contact],
        ['Expires', '300'],
      ],
      refreshMs: 236_000,
    },
    { what: 'without a word about time', headers: [], refreshMs: 536_000 },
    {
      what: 'with a time that nobody can read',
      headers: [['Contact', `${contact};expires=x`]],
      refreshMs: 536_000,
    },
    { what: 'for a moment', headers: [['Expires', '2']], refreshMs: 5_000 },
    { what: 'for ever', headers: [['Expires', '4294967295']], refreshMs: 604_736_000 },
  ] as const)('$what is refreshed in time', ({ headers, refreshMs }) => {
    const registration = create();
    run(registration, [{ status: 200, headers }]);
    expect(registration.state.state).toBe('registered');
    expect(registration.deadlineMs).toBe(refreshMs);
  });

  it('is refreshed a little earlier by chance, never later', () => {
    const registration = create(0.999);
    run(registration, [granted(600)]);
    expect(registration.deadlineMs).toBeGreaterThan(480_000);
    expect(registration.deadlineMs).toBeLessThan(536_000);
  });

  it('asks for nothing while an answer is due', () => {
    const registration = create();
    expect(registration.expire(0)).toBe(600);
    expect([registration.expire(0), registration.deadlineMs]).toEqual([undefined, undefined]);
  });
});

describe('a registration that fails', () => {
  it.each([
    {
      what: 'no answer',
      answer: { status: 408 },
      waitsMs: [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000],
    },
    { what: 'an error there', answer: { status: 503 }, waitsMs: [5_000, 10_000, 20_000] },
    {
      what: 'a wrong password',
      answer: { status: 403 },
      waitsMs: [60_000, 120_000, 240_000, 480_000, 960_000, 1_800_000, 1_800_000],
    },
    { what: 'a challenge after all', answer: { status: 401 }, waitsMs: [60_000, 120_000] },
    {
      what: 'a wish to be left alone',
      answer: { status: 503, headers: [['Retry-After', '90 (busy)']] },
      waitsMs: [90_000, 90_000],
    },
    {
      what: 'a wish to be left alone for ever',
      answer: { status: 503, headers: [['Retry-After', '4000000000']] },
      waitsMs: [300_000],
    },
    {
      what: 'a contact that was not kept',
      answer: { status: 200, headers: [['Expires', '0']] },
      waitsMs: [5_000, 10_000],
    },
  ] as const)('with $what backs off', ({ answer, waitsMs }) => {
    const registration = create(1);
    const sent = run(registration, [...waitsMs.map(() => answer), granted(600)]);
    expect(sent.slice(1).map(({ atMs }, index) => atMs - sent[index]!.atMs)).toEqual(waitsMs);
    expect(registration.state.state).toBe('registered');
  });

  it('comes back after half of that at the least', () => {
    const registration = create(0);
    const [, second] = run(registration, [{ status: 503 }, granted(60)]);
    expect(second!.atMs).toBe(2_500);
  });

  it('says why, and whether the last one still holds', () => {
    const registration = create(1);
    run(registration, [granted(60), { status: 503 }]);
    expect(registration.state).toMatchObject({ state: 'failing', failures: 1, status: 503, untilMs: 60_000 });
    run(registration, Array<Answer>(4).fill({ status: 503 }));
    expect(registration.state).toMatchObject({ failures: 5, untilMs: undefined });
  });

  it('takes the least time that the registrar allows, at once, but believes it only once', () => {
    const brief = (seconds: number): Answer => ({ status: 423, headers: [['Min-Expires', String(seconds)]] });
    const registration = create(1);
    expect(run(registration, [brief(1_800), granted(1_800)])).toEqual([
      { seconds: 600, atMs: 0 },
      { seconds: 1_800, atMs: 0 },
    ]);
    const teased = create(1);
    expect(run(teased, [brief(900), brief(1_000), brief(1_100)]).map(({ atMs }) => atMs)).toEqual([
      0, 0, 5_000,
    ]);
    const silly = create(1);
    expect(run(silly, [brief(10), brief(10), { status: 423 }]).map(({ atMs }) => atMs)).toEqual([
      0, 5_000, 15_000,
    ]);
  });
});

describe('a registration that is closed', () => {
  it.each([
    { what: 'before anything was sent', answers: [], farewell: false },
    { what: 'while it holds', answers: [granted(60)], farewell: true },
    { what: 'when it never was', answers: [{ status: 403 }], farewell: false },
    { what: 'while it fails but an old one holds', answers: [granted(600), { status: 503 }], farewell: true },
  ])('$what', ({ answers, farewell }) => {
    const registration = create();
    run(registration, answers);
    expect([registration.close(), registration.deadlineMs, registration.state.state]).toEqual([
      farewell,
      undefined,
      'closed',
    ]);
    registration.receive(responseOf(granted(60)), contact, 0);
    expect(registration.state.state).toBe('closed');
  });

  it('while an answer is due says farewell, since the registrar may have heard it', () => {
    const registration = create();
    registration.expire(0);
    expect(registration.close()).toBe(true);
  });
});
