//! The page to look at: `cargo test -p gengfu --lib console::tests::preview -- --ignored --nocapture`, then open the
//! address it prints. Values move, and a new alarm comes every twenty seconds.

use std::io::Write;

use gengfu_core::quality::Quality;

use super::*;

#[tokio::test]
#[ignore = "serves made-up data until interrupted; for looking at the page"]
async fn preview() {
    let console = Console::start_at("127.0.0.1:8421").await;
    console.stats.read.add(1_284_322);
    console.stats.committed.add(1_284_310);
    let now = console.clock.wall().0;
    console.stats.link("pump-room", crate::telemetry::LinkState::Up, now - 86_000_000);
    let why = "connection refused by 10.0.3.7:502; is the converter switched on?".to_owned();
    console.stats.link("lora", crate::telemetry::LinkState::Down { why }, now - 90_000);
    writeln!(std::io::stderr(), "http://{}", console.address).unwrap();
    for tick in 0_u32.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = console.clock.wall();
        let number = tick / 20 + 2;
        console.set(|engine| {
            for (place, reading) in
                engine.snapshot.points.iter_mut().enumerate().filter_map(|(n, (_, r))| Some((n, r.as_mut()?)))
            {
                reading.at = now;
                if reading.quality == Quality::Good && place % 3 == 0 {
                    reading.value *= 1.0 + 0.01 * (f64::from(tick) / 5.0).sin();
                }
            }
            engine.command = Some(Err(CommandError::NotNow("这是演示数据".to_owned())));
        });
        if tick % 20 == 19 {
            console.handle.announce(AlarmEvent { number, ..made_up::alarm(1) });
        }
    }
}
