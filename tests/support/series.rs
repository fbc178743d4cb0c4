//! Values as a plant gives them, where no plant is simulated: what compression and thinning meet in life.

/// Point `n` at a second: slow waves with a little noise on two decimals; every twentieth is a state.
pub fn value(n: u64, second: u64, noise: u64) -> f64 {
    if n % 20 == 7 {
        return f64::from(u8::from((second / 333 + n).is_multiple_of(11)));
    }
    let wave = ((second + n * 97) as f64 / 600.0).sin();
    let noise = (noise.rotate_left(n as u32 & 63) % 7) as f64 - 3.0;
    ((25.0 + 10.0 * wave) * 100.0 + noise * 5.0).round() / 100.0
}
