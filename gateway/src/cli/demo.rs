//! `gengfu demo`: a simulated building, the gateway and the console in one process, nothing to set up.

use std::path::PathBuf;
use std::process::ExitCode;

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
        Some(dir) => (dir, false),
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
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}; give another directory with --data", dir.display()))?;
    let held = DemoPorts::free(port).map_err(|e| format!("no free port for the simulated plant: {e}"))?;
    let text = demo_site(dir, held.ports);
    let loaded = config::parse(&text, &dir.join("demo.toml"))
        .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let plant = Plant::start_on(&loaded.site, Story::demo(SEED), Clock::start(), held.listeners).await?;
    let gateway = Gateway::start(loaded.site).await?;
    welcome(&gateway.console);
    let alarms = tokio::spawn(tell(gateway.engine.transitions()));
    let end = gateway.run_until(stop).await;
    alarms.abort();
    plant.stop().await;
    say("\n演示结束 / demonstration over");
    Ok(if end == (End::Stopped { clean: true }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
async fn tell(mut transitions: tokio::sync::broadcast::Receiver<AlarmEvent>) {
    loop {
        match transitions.recv().await {
            Ok(event) => say(&line(&event)),
            Err(RecvError::Lagged(missed)) => say(&format!("… {missed} 条未显示 / not shown")),
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(event: &AlarmEvent) -> String {
    let sign = match (event.event.as_str(), event.early_warning) {
        ("raise", true) => "△ 预警 early warning",
        ("raise", false) => "▲ 报警 alarm",
        ("escalate", _) => "▲▲ 升级 escalated",
        ("return", _) => "▽ 恢复 returned",
        ("acknowledge", _) => "✓ 确认 acknowledged",
        (_, _) => "· 复位 reset",
    };
    let time = jiff::Timestamp::from_millisecond(event.detected).map(|t| t.to_string()).unwrap_or_default();
    let clock = time.get(11..19).unwrap_or("").to_owned();
    format!("{clock}Z {sign} [{}] {} | {}", event.priority, event.message.zh, event.message.en)
}
