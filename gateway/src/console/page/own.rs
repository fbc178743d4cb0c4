//! Words for what the gateway goes through itself: faults, starts, what is missing, what it tells in the alarm lane.

use super::super::api::Fault;
use super::words::{self, Dial, Lang};
use crate::clock::EARLIEST;
use crate::journal::{Lane, StartCause};

/// What is wrong with the gateway itself.
pub(super) fn fault(lang: Lang, fault: &Fault) -> String {
    if lang == Lang::En {
        return fault.to_string();
    }
    match fault {
        Fault::Engine => "报警引擎无响应".to_owned(),
        Fault::Still { lane: of, ms } => format!("{}日志写入停滞 {}", words::lane(lang, *of), words::span(lang, *ms)),
        Fault::Disk { lane: of, error } => {
            let kept = match of {
                Lane::Alarm => "报警照常推送，未写入的保留在内存，磁盘恢复后补写",
                Lane::Telemetry => "未写入的保留在内存，装满后拒收，磁盘恢复后补写",
            };
            format!("{}日志出错：{}（{kept}）", words::lane(lang, *of), words::why(lang, error))
        }
    }
}

/// From when to when. What began before there was a clock has no beginning to tell.
pub(super) fn stretch(lang: Lang, dial: &Dial, now: i64, (from, to): (i64, i64)) -> String {
    let to = dial.short(now, to);
    if from < EARLIEST.0 {
        return format!("{}{to}", lang.pick("截至 ", "until "));
    }
    format!("{}–{to}", dial.short(now, from))
}

/// How much may be missing, and why.
pub(super) fn gap(lang: Lang, at_most: u64, why: &str) -> String {
    /// What the journal says of it (`journal/open.rs`, `journal/seal.rs`).
    const KNOWN: [(&str, &str); 5] = [
        ("the last run did not end as asked", "上次运行未正常结束"),
        ("telemetry was repaired", "遥测日志损坏后已修复"),
        ("alarms and audit were repaired", "报警日志损坏后已修复"),
        ("restored from a backup, which ends there", "由备份恢复，备份止于此时"),
        ("readings were damaged on the disk", "磁盘上的读数已损坏"),
    ];
    let most = words::count(at_most);
    match lang {
        Lang::Zh => {
            let why = KNOWN.into_iter().find(|(words, _)| *words == why).map_or(why, |(_, zh)| zh);
            format!("最多缺 {most} 条：{why}")
        }
        Lang::En => format!("at most {most} records: {why}"),
    }
}

/// How the run before ended, and how long there was none.
pub(super) fn start(lang: Lang, cause: StartCause, off_ms: Option<i64>) -> String {
    let cause = match cause {
        StartCause::FirstStart => return lang.pick("首次启动", "the first start").to_owned(),
        StartCause::CleanStop => lang.pick("此前正常停机", "after a stop that was asked for"),
        StartCause::UncleanStop => lang.pick("此前异常中断", "after a crash, a kill or a power cut"),
        StartCause::Repair => lang.pick("此前日志损坏，已修复", "after a repair of the journal"),
        StartCause::Restored => lang.pick("日志由备份恢复", "on a journal restored from a backup"),
    };
    let off = off_ms.and_then(|ms| u64::try_from(ms).ok()).map(|ms| words::span(lang, ms));
    match (lang, off) {
        (_, None) => cause.to_owned(),
        (Lang::Zh, Some(off)) => format!("{cause}，停运 {off}"),
        (Lang::En, Some(off)) => format!("{cause}, off for {off}"),
    }
}

/// What the gateway tells of itself in an entry `maintenance`; `None` of what another part of the page tells.
pub(super) fn told(lang: Lang, what: &str) -> Option<&str> {
    Some(match what {
        "journal-repaired" => lang.pick("日志文件损坏后已修复", "journal file repaired"),
        "journal-restored" => lang.pick("日志由备份恢复", "journal restored from a backup"),
        "alarm-entries-lost" => lang.pick("部分报警记录未能写入磁盘", "alarm entries were lost to a sick disk"),
        "clock-step" => lang.pick("网关时钟跳变", "the gateway's clock was stepped"),
        "clock-set" => lang.pick("时钟已校准，读数已补时", "clock set, readings were given their time"),
        "clock-bounded" => lang.pick("早先未校时的读数已估定时间", "readings of an earlier boot were given a time"),
        "short-memory" => lang.pick("重启回看不完整，长时间窗重新累积", "the past was too much to read back whole"),
        "learned-unreadable" => lang.pick("部分已学常态无法读取，将重新学习", "part of what was learned can't be read"),
        "reload" => lang.pick("已按新配置运行", "the site file was read again"),
        "reload-refused" => {
            lang.pick("新配置有误，未采用，原配置继续运行", "the site file is wrong, the running one goes on")
        }
        "source-restarted" => lang.pick("采集任务出错后已重启", "source task restarted"),
        "reader-restarted" => lang.pick("推送转发任务出错后已重启", "push or forward task restarted"),
        "alarm-flood-began" | "alarm-flood-ended" | "alarm-chatter-began" | "alarm-chatter-ended" | "alarm-day" => {
            return None;
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_in_the_language_with_the_times_of_the_site() {
        let (dial, now) = (Dial::new("UTC"), 1_769_846_400_000);
        assert_eq!(stretch(Lang::Zh, &dial, now, (now - 7_000, now)), "07:59:53–08:00:00");
        assert_eq!(stretch(Lang::En, &dial, now, (0, now)), "until 08:00:00");
        assert_eq!(gap(Lang::Zh, 66_536, "telemetry was repaired"), "最多缺 66,536 条：遥测日志损坏后已修复");
        assert_eq!(gap(Lang::En, 124, "telemetry was repaired"), "at most 124 records: telemetry was repaired");
        assert_eq!(start(Lang::Zh, StartCause::UncleanStop, Some(12_000)), "此前异常中断，停运 12 秒");
        assert_eq!(start(Lang::En, StartCause::CleanStop, None), "after a stop that was asked for");
        assert_eq!(told(Lang::Zh, "reload-refused"), Some("新配置有误，未采用，原配置继续运行"));
        assert_eq!((told(Lang::Zh, "alarm-day"), told(Lang::Zh, "new")), (None, Some("new")));
        // The journal's own words: one that is changed there must be changed here.
        let told = concat!(include_str!("../../journal/open.rs"), include_str!("../../journal/seal.rs"));
        for why in [
            "the last run did not end as asked",
            "telemetry was repaired",
            "alarms and audit were repaired",
            "restored from a backup, which ends there",
            "readings were damaged on the disk",
        ] {
            assert!(told.contains(&format!("\"{why}\"")) && !gap(Lang::Zh, 1, why).contains(why), "{why}");
        }
    }

    #[test]
    fn a_fault_is_told_in_chinese_with_its_cause() {
        let error = "/var/lib/gengfu/alarm.db: database or disk is full; what waits is kept in memory".to_owned();
        let full = Fault::Disk { lane: Lane::Alarm, error };
        assert!(fault(Lang::Zh, &full).starts_with("报警日志出错：磁盘已满（报警照常推送"));
        assert_eq!(fault(Lang::En, &full), full.to_string());
        assert_eq!(fault(Lang::Zh, &Fault::Still { lane: Lane::Telemetry, ms: 6_000 }), "遥测日志写入停滞 6 秒");
    }
}
