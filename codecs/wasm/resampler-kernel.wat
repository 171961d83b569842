;; The inner loops of codecs/resampler.ts. All addresses are in bytes; PCM comes in as f32 and leaves as i16,
;; rounded to nearest and saturated. Regenerate the bytes as codecs/wasm/README.md says.
(module
  (memory (export "memory") 24)

  ;; One output per turn: dot product of `rowBytes / 4` coefficients with the samples at `window`, then both move
  ;; on by the ratio. `rowBytes` is a multiple of 32. Two accumulators, because one would wait for its own sum.
  (func (export "polyphase")
    (param $window i32) (param $table i32) (param $rowBytes i32) (param $tableBytes i32)
    (param $stepBytes i32) (param $stepRowBytes i32) (param $row i32) (param $count i32) (param $out i32)
    (local $x i32) (local $c i32) (local $rowEnd i32) (local $outEnd i32) (local $tableEnd i32)
    (local $a v128) (local $b v128)
    (local.set $outEnd (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 1))))
    (local.set $tableEnd (i32.add (local.get $table) (local.get $tableBytes)))
    (local.set $row (i32.add (local.get $table) (local.get $row)))
    (block $done
      (loop $outputs
        (br_if $done (i32.ge_u (local.get $out) (local.get $outEnd)))
        (local.set $a (v128.const f32x4 0 0 0 0))
        (local.set $b (v128.const f32x4 0 0 0 0))
        (local.set $x (local.get $window))
        (local.set $c (local.get $row))
        (local.set $rowEnd (i32.add (local.get $row) (local.get $rowBytes)))
        (loop $taps
          (local.set $a (f32x4.add (local.get $a)
            (f32x4.mul (v128.load (local.get $x)) (v128.load (local.get $c)))))
          (local.set $b (f32x4.add (local.get $b)
            (f32x4.mul (v128.load offset=16 (local.get $x)) (v128.load offset=16 (local.get $c)))))
          (local.set $x (i32.add (local.get $x) (i32.const 32)))
          (br_if $taps (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 32))) (local.get $rowEnd))))
        (local.set $a (f32x4.add (local.get $a) (local.get $b)))
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

  ;; Eight outputs per turn: `gain` times the samples at `center`, plus each coefficient times the sum of the two
  ;; samples that lie equally far on both sides of the middle of the window at `side`. `middle` is the address of
  ;; the first sample right of the middle. Up to seven outputs more than `count` are written.
  (func (export "halfband")
    (param $center i32) (param $gain f32) (param $middle i32) (param $table i32) (param $tableBytes i32)
    (param $count i32) (param $out i32)
    (local $left i32) (local $right i32) (local $c i32) (local $tableEnd i32) (local $outEnd i32)
    (local $a v128) (local $b v128) (local $k v128)
    (local.set $outEnd (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 1))))
    (local.set $tableEnd (i32.add (local.get $table) (local.get $tableBytes)))
    (block $done
      (loop $outputs
        (br_if $done (i32.ge_u (local.get $out) (local.get $outEnd)))
        (local.set $k (f32x4.splat (local.get $gain)))
        (local.set $a (f32x4.mul (v128.load (local.get $center)) (local.get $k)))
        (local.set $b (f32x4.mul (v128.load offset=16 (local.get $center)) (local.get $k)))
        (local.set $right (local.get $middle))
        (local.set $left (i32.sub (local.get $middle) (i32.const 4)))
        (local.set $c (local.get $table))
        (loop $pairs
          (local.set $k (v128.load32_splat (local.get $c)))
          (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $k)
            (f32x4.add (v128.load (local.get $left)) (v128.load (local.get $right))))))
          (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $k)
            (f32x4.add (v128.load offset=16 (local.get $left)) (v128.load offset=16 (local.get $right))))))
          (local.set $left (i32.sub (local.get $left) (i32.const 4)))
          (local.set $right (i32.add (local.get $right) (i32.const 4)))
          (br_if $pairs (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 4))) (local.get $tableEnd))))
        (v128.store (local.get $out) (i16x8.narrow_i32x4_s
          (i32x4.trunc_sat_f32x4_s (f32x4.nearest (local.get $a)))
          (i32x4.trunc_sat_f32x4_s (f32x4.nearest (local.get $b)))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $center (i32.add (local.get $center) (i32.const 32)))
        (local.set $middle (i32.add (local.get $middle) (i32.const 32)))
        (br $outputs)))))
