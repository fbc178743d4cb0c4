//! The words and choices that the script needs, made where all other words are made.

use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::quality::Reason;
use serde_json::{Value, json};

use super::words::{Lang, none, priority, quality, reason, span};
use crate::config::checked::Policy;
use crate::config::units;

/// What the script needs to say by itself: the same words, and those of its own.
pub(super) fn words(lang: Lang, policy: Policy) -> String {
    let qualities = ["good", "uncertain", "bad"].map(|word| (word, quality(lang, word)));
    let reasons = Reason::ALL.map(|it| (it.word(), reason(lang, it.word())));
    let map = |pairs: &[(&str, &str)]| -> Value { pairs.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect() };
    let reasons: Value = reasons.into_iter().map(|(k, v)| (k.to_owned(), json!(v))).collect();
    let mut words = json!({
        "quality": map(&qualities),
        "reason": reasons,
        "none": none(lang),
        "live": lang.pick("实时", "live"),
        "connecting": lang.pick("连接中…", "connecting…"),
        "stale": lang.pick("已停止更新", "STALE"),
        "second": lang.pick(" 秒前", " s ago"),
        "minute": lang.pick(" 分钟前", " min ago"),
        "hour": lang.pick(" 小时前", " h ago"),
        "day": lang.pick(" 天前", " d ago"),
        "failed": lang.pick("操作失败：", "Failed: "),
        "unreachable": lang.pick("网关无应答，请检查连接后重试", "the gateway does not answer; check the connection and try again"),
        "not_durable": lang.pick("已执行，但尚未写入磁盘；断电会丢失。请检查磁盘。", "Carried out, but not on disk yet: a power cut would undo it. Look at the disk."),
        "settling": lang.pick("列表刚刚变动，请看清后再点", "The list has just changed: look again, then press"),
        "over": lang.pick("已结束", "over"),
        "you": lang.pick("值班：", "On duty: "),
        "mean": lang.pick("平均", "mean"),
        "band": lang.pick("最小–最大", "min–max"),
        "empty": lang.pick("此时段没有有效数据", "no usable values in this range"),
        "thinned": lang.pick("较早的读数已抽稀（为节省空间）", "older readings thinned for want of room"),
        "gaps": lang.pick("空白处无有效数据", "gaps: no usable value"),
        "low": lang.pick("下限", "low limit"),
        "high": lang.pick("上限", "high limit"),
        "early": lang.pick("预警目标", "early warning towards"),
        "priority": map(&Priority::ALL.map(|it| (it.word(), priority(lang, it.word())))),
    });
    if let (Some(words), Value::Object(acts)) = (words.as_object_mut(), acts(lang, policy)) {
        words.extend(acts);
    }
    words.to_string()
}

/// What goes with what a person does: how it is asked, what it means, how its button and its success are called.
fn acts(lang: Lang, policy: Policy) -> Value {
    json!({
        "done_acknowledge": lang.pick("已确认", "Acknowledged"),
        "done_reset": lang.pick("已复位", "Reset"),
        "done_shelve": lang.pick("已搁置", "Shelved"),
        "done_unshelve": lang.pick("已取消搁置", "Off the shelf"),
        "done_out-of-service": lang.pick("已停用", "Out of service"),
        "done_return-to-service": lang.pick("已恢复投用", "In service again"),
        "done_note": lang.pick("已记录", "Noted"),
        "done_release": lang.pick("已解除", "Released"),
        "done_begin": lang.pick("已开始", "Begun"),
        "done_end": lang.pick("已结束", "Ended"),
        "confirm_acknowledge": lang.pick("确认报警", "Acknowledge the alarm"),
        "confirm_reset": lang.pick("复位这条报警？", "Reset this alarm?"),
        "means_acknowledge": lang.pick("确认表示您已看到这条报警。", "To acknowledge says that you have seen it."),
        "means_reset": lang.pick("复位后这条报警关闭。请先在现场核实已恢复正常。", "A reset closes this alarm. Make sure on site that all is well again."),
        "confirm_shelve": lang.pick("搁置这条报警", "Shelve this alarm"),
        "confirm_out-of-service": lang.pick("停用这条报警", "Take this alarm out of service"),
        "confirm_note": lang.pick("记一条备注", "Write a note"),
        "confirm_end": lang.pick("结束这个模式？", "End this mode?"),
        "confirm_release": lang.pick("解除预警级别？", "Release the warning level?"),
        "means_release": lang.pick("这一级别的依据已消除。解除后降到仍有依据的级别。", "Nothing justifies this level any more. Once released it falls to what still has a reason."),
        "ok_release": lang.pick("解除", "Release"),
        "means_shelve": lang.pick("搁置期间不声张，照常监测和记录；到时仍未恢复会重新报警。", "It is not announced meanwhile, and watched and recorded as ever; if it stands when the time is over, it rings anew."),
        "means_out-of-service": lang.pick("停用期间不声张，到时自动恢复投用。", "It is not announced meanwhile, and comes back into service by itself."),
        "means_note": lang.pick("备注写入这条报警的记录。", "The note goes into the alarm's record."),
        "means_end": lang.pick("结束后仍未恢复的测试报警按真实报警重新报出。", "What still stands of the tests then is raised for real."),
        "ok_shelve": lang.pick("搁置", "Shelve"),
        "ok_out-of-service": lang.pick("停用", "Out of service"),
        "ok_note": lang.pick("记录", "Write"),
        "ok_end": lang.pick("结束", "End"),
        "why": lang.pick("原因（写入审计记录）", "Why (goes into the audit)"),
        "note": lang.pick("备注（可不填，写入审计记录）", "Note (optional; goes into the audit)"),
        "text": lang.pick("备注（写入审计记录）", "Note (goes into the audit)"),
        "lengths": {
            "shelve": lengths(lang, &SHELF, policy.max_shelf),
            "out-of-service": lengths(lang, &OUT, policy.max_out_of_service),
            "begin": lengths(lang, &MODE, policy.max_mode),
        },
        "ok_acknowledge": lang.pick("确认", "Acknowledge"),
        "ok_reset": lang.pick("复位", "Reset"),
    })
}

/// Times a person may choose from, in minutes.
const SHELF: [u64; 6] = [15, 30, 60, 120, 240, 480];
const OUT: [u64; 6] = [480, 1_440, 4_320, 10_080, 20_160, 43_200];
const MODE: [u64; 6] = [15, 30, 60, 120, 240, 480];

/// Those that the site allows, as the API takes them and as people read them; where it allows none of them, its longest.
fn lengths(lang: Lang, choice: &[u64], max: Duration) -> Vec<(String, String)> {
    let max_ms = max.as_millis() as u64;
    let mut allowed: Vec<u64> = choice.iter().map(|minutes| minutes * 60_000).filter(|ms| *ms <= max_ms).collect();
    if allowed.is_empty() {
        allowed.push(max_ms);
    }
    allowed.into_iter().map(|ms| (units::show_ms(ms), span(lang, ms))).collect()
}
