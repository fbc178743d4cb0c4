//! The command line: reads what was typed, calls a room, prints for people (or, with `--json`, for programs).
//! Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration; `status` has its own meaning for 2.

#[macro_use]
mod out;
mod alarms;
mod ask;
mod backup;
pub mod check;
pub(crate) mod columns;
mod demo;
mod export;
mod learned;
mod letters;
mod log;
mod modes;
mod packs;
mod performance;
mod place;
mod replay;
mod rollback;
mod run;
mod simulate;
mod status;
mod survey;
mod warning;
#[cfg(test)]
mod check_tests;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use log::Log;
use tracing_subscriber::EnvFilter;

/// 更夫 Gengfu: reads a building's safety sensors, raises alarms and never loses one.
#[derive(Debug, Parser)]
#[command(name = "gengfu", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A simulated building, the gateway and the console in one process; nothing to set up. 演示
    Demo {
        /// Port of the console; 0 takes a free one.
        #[arg(long, default_value_t = 8420)]
        port: u16,
        /// Where the demonstration keeps its journal; a temporary directory that is removed at the end if not given.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Run the gateway of a site. 运行
    Run {
        /// The site's configuration.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and show what it would do: read plan, cycle time and load, rules, sinks. 检查配置
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rule packs: what each default is, by which clause; try one out, sign one. 规则包
    Packs(packs::Packs),
    /// Put the last good configuration back: the one in force, or where the file says that already, the one before it. 回退配置
    ///
    /// Shows what becomes different, writes the file, and asks a running gateway to reload it. The file that was there is
    /// kept beside it.
    Rollback {
        /// The site's configuration, however broken.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// The journal's directory, where the file can't say it any more.
        #[arg(long, value_name = "DIR")]
        journal: Option<PathBuf>,
    },
    /// Play the devices of a configuration: Modbus servers and MQTT publishers on this machine. 模拟设备
    ///
    /// For trying a site out. It refuses to speak into a broker that is running, or beside a gateway that runs on the
    /// site's journal: both may be the real ones.
    Simulate {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The same seed plays the same values.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Publish made-up values into a broker that is running already. Whoever listens there takes them for true.
        #[arg(long)]
        into_running_broker: bool,
    },
    /// Copy a site's journal, while its gateway runs or not. 备份
    Backup(backup::Backup),
    /// Put a backup in place on a new box; the next start goes on with it in a new epoch. 恢复
    Restore(backup::Restore),
    /// Write the past to a file: readings as CSV, line protocol or Parquet, alarms as CSV or JSON lines. 导出
    Export(export::Export),
    /// Run the site's rules, or others, over its past, and say what they would have raised. 回放
    Replay(replay::Replay),
    /// List what stores refused for good, with the reason. 死信
    Dead(letters::Dead),
    /// Send a store its dead letters once more, when what it refused them for is mended. 重投
    Redrive(letters::Redrive),
    /// List alarms, and do what a person does to one: ack, reset, shelve, out of service, note. 报警
    Alarms(alarms::Alarms),
    /// List the areas and their modes; begin or end a walk-test, a drill, maintenance. 模式
    Modes(modes::Modes),
    /// Ask a running gateway what its site is warned of and how dangerous it is; release a level that waits for it. 预警级别
    Warning(warning::Warning),
    /// Ask a running gateway how well its alarms serve people: too many, of no use, not looked at. 报警绩效
    Performance(performance::Performance),
    /// Ask a running gateway what the rules that learn hold to be normal. 已学常态
    Learned(learned::Learned),
    /// Have a rule forget what it has learned of a point, and learn again: a sensor was replaced. 重新学习
    ///
    /// What stands goes on standing until what is learned then says otherwise.
    LearnAgain(learned::LearnAgain),
    /// Ask a running gateway how it is. 状态
    ///
    /// Exit code: 0 nothing is wrong; 1 it does not answer, or says that a part of it fails, be there alarms or not; 2 at
    /// least one alarm stands, or a link or a sink is down, or a watched point has no value to believe, or the configuration is wrong (as
    /// everywhere, also wrong usage). What a person has put aside is told, and counts as nothing.
    Status {
        /// Address of its console.
        #[arg(long, default_value = "http://127.0.0.1:8420", conflicts_with = "config")]
        url: String,
        /// Or its configuration, to find the address there.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Alarms(asked) => on_runtime("warn", alarms::run(asked)),
        Command::Modes(asked) => on_runtime("warn", modes::run(asked)),
        Command::Backup(asked) => backup::backup(asked),
        Command::Restore(asked) => backup::restore(&asked),
        Command::Check { file, json } => checked(&check::check(&file, json)),
        Command::Packs(asked) => packs::run(asked),
        Command::Export(asked) => export::run(asked),
        Command::Replay(asked) => replay::run(&asked),
        Command::Dead(asked) => on_runtime("warn", letters::dead(asked)),
        Command::Redrive(asked) => on_runtime("warn", letters::redrive(asked)),
        Command::Learned(asked) => on_runtime("warn", learned::list(asked)),
        Command::LearnAgain(asked) => on_runtime("warn", learned::again(asked)),
        Command::Warning(asked) => on_runtime("warn", warning::run(asked)),
        Command::Performance(asked) => on_runtime("warn", performance::run(asked)),
        Command::Demo { port, data } => on_runtime("warn", demo::run(port, data)),
        Command::Run { config } => on_runtime("info", run::run(config)),
        Command::Rollback { config, journal } => on_runtime("warn", rollback::run(config, journal)),
        Command::Simulate { file, seed, into_running_broker } => {
            on_runtime("info", simulate::run(file, seed, into_running_broker))
        }
        Command::Status { url, config, json } => on_runtime("warn", status::run(url, config, json)),
    }
}

/// How long the last log lines may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(200);

fn on_runtime(log: &str, work: impl Future<Output = ExitCode>) -> ExitCode {
    let filter = EnvFilter::try_from_env("GENGFU_LOG").unwrap_or_else(|_| EnvFilter::new(log));
    let lines = Log::start();
    let log_lines = lines.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(move || log_lines.clone())
        .init();
    // One thread for what reads; sources and engine have their own (app/field.rs), and so has each lane of the journal.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            // What still reads from a disk that hangs is left behind.
            runtime.shutdown_background();
            lines.finish(LAST_WORDS);
            code
        }
        Err(error) => {
            warnln!("gengfu: can't start its runtime: {error}; check the limits on threads and memory");
            ExitCode::FAILURE
        }
    }
}

/// Prints what a check found.
fn checked(report: &check::Report) -> ExitCode {
    say!("{}", report.stdout);
    warn!("{}", report.stderr);
    ExitCode::from(report.code)
}

/// Prints what went wrong and answers the exit code for it.
fn failed(why: &str) -> ExitCode {
    warnln!("gengfu: {why}");
    ExitCode::FAILURE
}

/// Prints all complaints about a configuration.
fn complain(complaints: &[crate::config::Complaint]) {
    for complaint in complaints {
        warnln!("{complaint}");
    }
}

/// The same, and that is the end.
fn refused(complaints: &[crate::config::Complaint]) -> ExitCode {
    complain(complaints);
    ExitCode::from(2)
}

/// Listens for SIGTERM and SIGINT from this moment on; the future returns at the first. Asked for before anything is
/// started: a stop that comes early must not end the process in the default way, with nothing written.
fn told_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match signals {
            (Ok(mut term), Ok(mut int)) => tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            },
            (_, _) => {
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }
}
