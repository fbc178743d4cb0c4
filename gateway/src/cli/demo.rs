//! `gengfu demo`: a simulated building, the gateway and the console in one process, nothing to set up.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::tz::TimeZone;
use tokio::sync::broadcast::error::RecvError;

use crate::app::{End, Gateway};
use crate::clock::Clock;
use crate::config;
use crate::flow::AlarmEvent;
use crate::simulate::{DemoPorts, Plant, Story, demo_site};

/// The demonstration plays the same values each time.
const SEED: u64 = 7;

pub(super) async fn run(port: u16, data: Option<PathBuf>) -> ExitCode {
    let (dir, temporary) = match data {
        // The site's paths are beside its file, which is in there.
        Some(dir) => (std::path::absolute(&dir).unwrap_or(dir), false),
        None => (std::env::temp_dir().join(format!("gengfu-demo-{}", std::process::id())), true),
    };
    let code = match demo(port, &dir).await {
        Ok(code) => code,
        Err(why) => super::failed(&why),
    };
    if temporary {
        let _ = std::fs::remove_dir_all(&dir);
    }
    code
}

async fn demo(port: u16, dir: &std::path::Path) -> Result<ExitCode, String> {
    let stop = super::told_to_stop();
    port_is_free(port)?;
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}; give another directory with --data", dir.display()))?;
    let held = DemoPorts::free(port).map_err(|e| format!("no free port for the simulated plant: {e}"))?;
    let text = demo_site(dir, held.ports);
    let loaded = config::parse(&text, &dir.join("demo.toml"))
        .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let plant = Plant::start_on(&loaded.site, Story::demo(SEED), Clock::start(), held.listeners).await?;
    let zone = TimeZone::get(&loaded.site.timezone).map_err(|e| e.to_string())?;
    let gateway = Gateway::start(loaded.site).await?;
    welcome(&gateway.console);
    let alarms = tokio::spawn(tell(gateway.engine.transitions(), zone));
    let end = gateway.run_until(stop).await;
    alarms.abort();
    plant.stop().await;
    say("\n演示结束 / demonstration over");
    Ok(if end == (End::Stopped { clean: true }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asked before anything is started, so that the answer can name the option.
fn port_is_free(port: u16) -> Result<(), String> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", port));
    bound.map(drop).map_err(|error| {
        format!(
            "port {port}: {error}; end what uses it (another demonstration?) or give another with --port, 0 for any"
        )
    })
}

fn welcome(console: &str) {
    say("更夫 Gengfu — 演示 / demonstration");
    say(&format!("  控制台 / console:  {console}/"));
    say(
        "  一座模拟商场正在运行：20 秒内有第一条报警，约 50 秒出现预警（消火栓缓慢失压），约 105 秒越限。按 Ctrl-C 结束。",
    );
    say(
        "  A simulated mall is running: a first alarm within 20 s, an early warning (a slow leak) at about 50 s, its limit at about 105 s. Ctrl-C ends it.\n",
    );
}

/// A reader that has gone away (`| head`) is no reason to stop.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One line when an alarm comes, goes or is handled.
async fn tell(mut transitions: tokio::sync::broadcast::Receiver<AlarmEvent>, zone: TimeZone) {
    loop {
        match transitions.recv().await {
            Ok(event) if event.shadow => {}
            Ok(event) => say(&line(&event, &zone)),
            Err(RecvError::Lagged(missed)) => say(&format!("… {missed} 条未显示 / not shown")),
            Err(RecvError::Closed) => return,
        }
    }
}

/// With the time of day at the site.
fn line(event: &AlarmEvent, zone: &TimeZone) -> String {
    let sign = match (event.event.as_str(), event.early_warning) {
        ("raise", true) => "△ 预警 early warning",
        ("raise", false) => "▲ 报警 alarm",
        ("escalate", _) => "▲▲ 升级 escalated",
        ("return", _) => "▽ 恢复 returned",
        ("acknowledge", _) => "✓ 确认 acknowledged",
        ("reset", _) => "○ 复位 reset",
        ("shelve", _) => "‖ 搁置 shelved",
        ("unshelve", _) => "▶ 取消搁置 off the shelf",
        ("out-of-service", _) => "‖ 停用 out of service",
        ("return-to-service", _) => "▶ 恢复投用 in service",
        ("note", _) => "✎ 备注 note",
        ("suppress", _) => "‖ 抑制 explained",
        ("unsuppress", _) => "▶ 解除抑制 explained no longer",
        ("re-alarm", _) => "▲ 再次报警 rings again",
        (other, _) => other,
    };
    let clock = time_of_day(event.detected, zone);
    format!("{clock} {sign} [{}] {} | {}", event.priority, event.message.zh, event.message.en)
}

fn time_of_day(ms: i64, zone: &TimeZone) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.to_zoned_datetime(zone.clone()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_site() {
        let at = |zone: &str| time_of_day(1_769_846_400_000, &TimeZone::get(zone).unwrap());
        assert_eq!([at("Asia/Shanghai"), at("UTC")], ["16:00:00", "08:00:00"]);
    }

    #[test]
    fn a_port_in_use_is_told_with_the_option_that_mends_it() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let why = port_is_free(port).unwrap_err();
        assert!(why.contains(&format!("port {port}: ")) && why.contains("--port"), "{why}");
        drop(held);
        assert_eq!(port_is_free(0), Ok(()));
    }
}
