//! What can be wrong with the gateway itself, a row each.

use gengfu_core::alarm::Priority;

use super::outages::Outages;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::telemetry::{RefusedReason, Stats};

/// Room for an outage, in hours at the present rate, below which people are told while a sink is behind.
const SHORT_HOURS: f64 = 6.0;

/// What is seen of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Lasts,
    Well,
    /// Neither is known yet: what was told before stays as it is, be it of the run before.
    Unknown,
}

/// What a trouble is judged by.
pub(super) struct View<'a> {
    pub(super) journal: &'a Journal,
    pub(super) stats: &'a Stats,
    pub(super) outages: &'a Outages,
    pub(super) clock: &'a Clock,
    /// The link, where the trouble is one of each.
    pub(super) link: &'a str,
}

/// One trouble: a point that is 1 while it lasts, and the alarm it makes.
pub(super) struct Trouble {
    pub(super) point: &'static str,
    /// A point for each line and link: one that stands must not hide the next.
    pub(super) each_link: bool,
    /// What people call it, and its words for 0 and 1.
    pub(super) label: &'static str,
    pub(super) words: [&'static str; 2],
    pub(super) priority: Priority,
    pub(super) advice: &'static str,
    /// Counts its signs in this run.
    pub(super) signs: fn(&Stats) -> u64,
    /// What is seen of it now.
    pub(super) sight: fn(&View<'_>) -> Sight,
}

pub(super) const TROUBLES: [Trouble; 11] = [
    Trouble {
        point: "journal-fault",
        each_link: false,
        label: "日志磁盘 / journal disk",
        words: ["正常 / fine", "故障 / at fault"],
        priority: Priority::High,
        advice: "磁盘无法写入，或日志文件损坏（网关将自动重启并修复），报警仍会推送：检查磁盘空间与健康 / The disk takes no writes, or a journal file is broken (the gateway starts anew and repairs it); alarms are still pushed: check its space and health.",
        signs: |stats| stats.refused(RefusedReason::JournalFull),
        sight: |see| if see.journal.sick() { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "journal-repaired",
        each_link: false,
        label: "日志文件 / journal file",
        words: ["完好 / whole", "损坏后已修复 / torn and repaired"],
        priority: Priority::High,
        advice: "日志文件有损坏，已保留完好部分（启动时损坏的文件另存为 *.damaged-*），缺失时段见事件：检查磁盘与供电 / The journal was torn: what is whole was kept (a file damaged at the start is set aside, *.damaged-*), the events say what is missing: check disk and power.",
        signs: |stats| stats.journal_repairs.get(),
        sight: |_| Sight::Well,
    },
    Trouble {
        point: "link-down",
        each_link: true,
        label: "采集链路 / field link",
        words: ["正常 / fine", "中断 / down"],
        priority: Priority::High,
        advice: "采集链路中断，其测点均无有效数值：检查网络与服务 / A line or broker can't be reached, its points have no value: check the network and the service.",
        signs: |_| 0,
        sight: |see| see.outages.of_link(see.link),
    },
    Trouble {
        point: "push-down",
        each_link: false,
        label: "报警推送 / alarm push",
        words: ["正常 / fine", "无法送达 / not delivered"],
        priority: Priority::High,
        advice: "有报警推送超过 2 分钟未被接收，值班人员可能收不到报警：检查网络与推送服务 / A push has not been accepted for 2 min, people may not hear of alarms: check the network and the receiver.",
        signs: |_| 0,
        sight: |see| see.outages.push.unwrap_or(Sight::Unknown),
    },
    Trouble {
        point: "outage-room",
        each_link: false,
        label: "断网存储余量 / outage room",
        words: ["充足 / enough", "不足 / running short"],
        priority: Priority::High,
        advice: "转发中断，剩余空间不足 6 小时，之后待转发的数据将被抽稀：恢复网络或中心库 / Forwarding is down and there is room for less than 6 h; then what is owed will be thinned: restore the network or the store.",
        signs: |_| 0,
        sight: |see| if see.journal.health().room.is_short(SHORT_HOURS) { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "site-file",
        each_link: false,
        label: "站点配置文件 / site file",
        words: ["已采用 / in force", "未采用 / not in force"],
        priority: Priority::Medium,
        advice: "磁盘上的站点配置文件未被采用（有误，或须重启才生效），网关按上次有效的配置运行：用 gengfu check 查看并改正后重新加载，或 gengfu rollback / The site file on disk was not taken up (it is wrong, or wants a restart), the gateway runs on the last good one: see gengfu check, mend and reload it, or gengfu rollback.",
        signs: |_| 0,
        sight: |see| if see.stats.site_file_trouble().is_some() { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "clock-off",
        each_link: false,
        label: "设备时钟 / device clock",
        words: ["准确 / right", "不准 / off"],
        priority: Priority::Medium,
        advice: "有设备时间与网关不符，读数按到达时间保存：校时 / A device's clock is off, its readings are kept at arrival time: set it.",
        signs: |stats| stats.clock_off.get(),
        sight: |_| Sight::Well,
    },
    Trouble {
        point: "clock-unset",
        each_link: false,
        label: "时钟 / clock",
        words: ["已校准 / set", "未校准 / not set"],
        priority: Priority::High,
        advice: "网关不知道当前时间：报警照常判断和推送，读数保存在本机，校时后补上时间再转发；检查校时服务器或后备电池 / The gateway does not know the time: alarms are judged and pushed, readings are kept and forwarded once it is set: check the time server or the backup battery, or set it by hand.",
        signs: |_| 0,
        sight: |see| if see.clock.is_set() { Sight::Well } else { Sight::Lasts },
    },
    Trouble {
        point: "devices-refused",
        each_link: false,
        label: "上报设备数 / number of devices",
        words: ["正常 / fine", "超过上限 / over the limit"],
        priority: Priority::Medium,
        advice: "上报设备数超过 max_devices：核对主题或提高上限 / More devices than max_devices: check the topics or raise it.",
        signs: |stats| stats.refused(RefusedReason::TooManyDevices),
        sight: |_| Sight::Well,
    },
    Trouble {
        point: "source-restarted",
        each_link: false,
        label: "采集任务 / source task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::Medium,
        advice: "采集任务异常后已自动重启：请报告此日志 / A source task failed and was restarted: please report its log.",
        signs: |stats| stats.source_restarts.get(),
        sight: |_| Sight::Well,
    },
    Trouble {
        point: "reader-restarted",
        each_link: false,
        label: "推送转发任务 / push and forward task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::High,
        advice: "推送、转发或界面任务异常后已自动重启，推送可能延迟：请报告此日志 / A push, forward or console task failed and was restarted, pushes may be late: please report its log.",
        signs: |stats| stats.reader_restarts.get(),
        sight: |_| Sight::Well,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_says_again_whose_it_is() {
        for Trouble { label, .. } in TROUBLES {
            assert!(!label.contains("gateway") && !label.contains("网关"), "the device is named before it: {label}");
        }
    }
}
