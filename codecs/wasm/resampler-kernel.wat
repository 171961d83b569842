;; The inner loops of codecs/resampler.ts. All addresses are in bytes. PCM comes in and leaves as i16, rounded to
;; nearest and saturated; in between it is f32. Regenerate the bytes as codecs/wasm/README.md says.
;;
;;      0  input of the caller, i16, room for 4096 samples
;;   8192  the same as f32, or its odd samples
;;  24576  its even samples as f32
;;  32768  output, i16, room for 2048 samples and what is written beyond the last
;;  40960  coefficient tables
(module
  (memory (export "memory") 24)

  ;; `count` input samples to f32, and up to seven more.
  (func $widen (param $count i32)
    (local $from i32) (local $to i32) (local $end i32)
    (local.set $to (i32.const 8192))
    (local.set $end (i32.shl (local.get $count) (i32.const 1)))
    (loop $samples
      (v128.store (local.get $to)
        (f32x4.convert_i32x4_s (v128.load16x4_s (local.get $from))))
      (v128.store offset=16 (local.get $to)
        (f32x4.convert_i32x4_s (v128.load16x4_s offset=8 (local.get $from))))
      (local.set $to (i32.add (local.get $to) (i32.const 32)))
      (br_if $samples (i32.lt_u
        (local.tee $from (i32.add (local.get $from) (i32.const 16))) (local.get $end)))))

  ;; `pairs` pairs of input samples to f32, even and odd ones apart, and up to three pairs more.
  (func $split (param $pairs i32)
    (local $from i32) (local $to i32) (local $end i32) (local $four v128)
    (local.set $to (i32.const 8192))
    (local.set $end (i32.shl (local.get $pairs) (i32.const 2)))
    (loop $samples
      (local.set $four (v128.load (local.get $from)))
      (v128.store (local.get $to)
        (f32x4.convert_i32x4_s (i32x4.shr_s (local.get $four) (i32.const 16))))
      (v128.store offset=16384 (local.get $to)
        (f32x4.convert_i32x4_s (i32x4.shr_s (i32x4.shl (local.get $four) (i32.const 16)) (i32.const 16))))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $samples (i32.lt_u
        (local.tee $from (i32.add (local.get $from) (i32.const 16))) (local.get $end)))))

  ;; One output per turn: dot product of `rowBytes / 4` coefficients with the samples at `window`, then both move
  ;; on by the ratio. `rowBytes` is a multiple of 64. Four accumulators, as fewer wait for their own
  ;; sums: that took 15 % longer from 48 to 8 kHz.
  (func (export "polyphase")
    (param $inputSamples i32) (param $window i32) (param $table i32) (param $rowBytes i32)
    (param $tableBytes i32) (param $stepBytes i32) (param $stepRowBytes i32) (param $row i32) (param $count i32)
    (local $out i32) (local $x i32) (local $c i32) (local $rowEnd i32) (local $outEnd i32) (local $tableEnd i32)
    (local $a v128) (local $b v128) (local $d v128) (local $e v128)
    (call $widen (local.get $inputSamples))
    (local.set $window (i32.add (local.get $window) (i32.const 8192)))
    (local.set $out (i32.const 32768))
    (local.set $outEnd (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 1))))
    (local.set $tableEnd (i32.add (local.get $table) (local.get $tableBytes)))
    (local.set $row (i32.add (local.get $table) (local.get $row)))
    (block $done
      (loop $outputs
        (br_if $done (i32.ge_u (local.get $out) (local.get $outEnd)))
        (local.set $a (v128.const f32x4 0 0 0 0))
        (local.set $b (v128.const f32x4 0 0 0 0))
        (local.set $d (v128.const f32x4 0 0 0 0))
        (local.set $e (v128.const f32x4 0 0 0 0))
        (local.set $x (local.get $window))
        (local.set $c (local.get $row))
        (local.set $rowEnd (i32.add (local.get $row) (local.get $rowBytes)))
        (loop $taps
          (local.set $a (f32x4.add (local.get $a)
            (f32x4.mul (v128.load (local.get $x)) (v128.load (local.get $c)))))
          (local.set $b (f32x4.add (local.get $b)
            (f32x4.mul (v128.load offset=16 (local.get $x)) (v128.load offset=16 (local.get $c)))))
          (local.set $d (f32x4.add (local.get $d)
            (f32x4.mul (v128.load offset=32 (local.get $x)) (v128.load offset=32 (local.get $c)))))
          (local.set $e (f32x4.add (local.get $e)
            (f32x4.mul (v128.load offset=48 (local.get $x)) (v128.load offset=48 (local.get $c)))))
          (local.set $x (i32.add (local.get $x) (i32.const 64)))
          (br_if $taps (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 64))) (local.get $rowEnd))))
        (local.set $a (f32x4.add
          (f32x4.add (local.get $a) (local.get $b))
          (f32x4.add (local.get $d) (local.get $e))))
        (local.set $a (f32x4.add (local.get $a)
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $a) (local.get $a))))
        (local.set $a (f32x4.add (local.get $a)
          (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $a) (local.get $a))))
        (local.set $a (i32x4.trunc_sat_f32x4_s (f32x4.nearest (local.get $a))))
        (v128.store16_lane 0 (local.get $out) (i16x8.narrow_i32x4_s (local.get $a) (local.get $a)))
        (local.set $out (i32.add (local.get $out) (i32.const 2)))
        (local.set $window (i32.add (local.get $window) (local.get $stepBytes)))
        (local.set $row (i32.add (local.get $row) (local.get $stepRowBytes)))
        (if (i32.ge_u (local.get $row) (local.get $tableEnd))
          (then
            (local.set $row (i32.sub (local.get $row) (local.get $tableBytes)))
            (local.set $window (i32.add (local.get $window) (i32.const 4)))))
        (br $outputs))))

  ;; Eight outputs: the start values plus each coefficient times the sum of the two samples that lie equally far on
  ;; both sides of the middle. `middle` is the address of the first sample right of the first output's middle.
  (func $fold (param $middle i32) (param $table i32) (param $tableEnd i32) (param $a v128) (param $b v128)
    (result v128)
    (local $left i32) (local $k v128)
    (local.set $left (i32.sub (local.get $middle) (i32.const 4)))
    (loop $pairs
      (local.set $k (v128.load32_splat (local.get $table)))
      (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $k)
        (f32x4.add (v128.load (local.get $left)) (v128.load (local.get $middle))))))
      (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $k)
        (f32x4.add (v128.load offset=16 (local.get $left)) (v128.load offset=16 (local.get $middle))))))
      (local.set $left (i32.sub (local.get $left) (i32.const 4)))
      (local.set $middle (i32.add (local.get $middle) (i32.const 4)))
      (br_if $pairs (i32.lt_u
        (local.tee $table (i32.add (local.get $table) (i32.const 4))) (local.get $tableEnd))))
    (i16x8.narrow_i32x4_s
      (i32x4.trunc_sat_f32x4_s (f32x4.nearest (local.get $a)))
      (i32x4.trunc_sat_f32x4_s (f32x4.nearest (local.get $b)))))

  ;; The input is `2 * pairs - 1` old samples and `count` new ones; twice `count` go out, and up to fourteen more.
  (func (export "halfbandUp") (param $table i32) (param $pairs i32) (param $count i32)
    (local $tableEnd i32) (local $middle i32) (local $through i32) (local $out i32) (local $outEnd i32)
    (local $between v128) (local $samples v128)
    (call $widen (i32.add (local.get $count) (i32.shl (local.get $pairs) (i32.const 1))))
    (local.set $tableEnd (i32.add (local.get $table) (i32.shl (local.get $pairs) (i32.const 2))))
    (local.set $middle (i32.add (i32.const 8192) (i32.shl (local.get $pairs) (i32.const 2))))
    (local.set $through (i32.sub (i32.shl (local.get $pairs) (i32.const 1)) (i32.const 2)))
    (local.set $out (i32.const 32768))
    (local.set $outEnd (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $outputs
        (br_if $done (i32.ge_u (local.get $out) (local.get $outEnd)))
        (local.set $samples (v128.load (local.get $through)))
        (local.set $between (call $fold (local.get $middle) (local.get $table) (local.get $tableEnd)
          (v128.const f32x4 0 0 0 0) (v128.const f32x4 0 0 0 0)))
        (v128.store (local.get $out)
          (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $samples) (local.get $between)))
        (v128.store offset=16 (local.get $out)
          (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $samples) (local.get $between)))
        (local.set $out (i32.add (local.get $out) (i32.const 32)))
        (local.set $through (i32.add (local.get $through) (i32.const 16)))
        (local.set $middle (i32.add (local.get $middle) (i32.const 32)))
        (br $outputs))))

  ;; The input is `2 * pairs - 1` old pairs of samples and `count` new ones; `count` samples go out, and up to seven
  ;; more. The even sample in the middle counts half.
  (func (export "halfbandDown") (param $table i32) (param $pairs i32) (param $count i32)
    (local $tableEnd i32) (local $middle i32) (local $out i32) (local $outEnd i32)
    (call $split (i32.add (local.get $count) (i32.shl (local.get $pairs) (i32.const 1))))
    (local.set $tableEnd (i32.add (local.get $table) (i32.shl (local.get $pairs) (i32.const 2))))
    (local.set $middle (i32.add (i32.const 8192) (i32.shl (local.get $pairs) (i32.const 2))))
    (local.set $out (i32.const 32768))
    (local.set $outEnd (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 1))))
    (block $done
      (loop $outputs
        (br_if $done (i32.ge_u (local.get $out) (local.get $outEnd)))
        (v128.store (local.get $out) (call $fold (local.get $middle) (local.get $table) (local.get $tableEnd)
          (f32x4.mul (v128.load offset=16384 (local.get $middle)) (v128.const f32x4 0.5 0.5 0.5 0.5))
          (f32x4.mul (v128.load offset=16400 (local.get $middle)) (v128.const f32x4 0.5 0.5 0.5 0.5))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $middle (i32.add (local.get $middle) (i32.const 32)))
        (br $outputs)))))
