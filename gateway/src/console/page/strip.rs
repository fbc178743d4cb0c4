//! How the gateway itself is: whether anything was lost, its links, its sinks, its journal.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::view::{RunBalance, Totals};
use super::words::Lang;
use super::{Look, own, words};
use crate::console::api::{failing, written_a_day};
use crate::console::impaired::is_sink;
use crate::console::missing::{DAYS, Stretch};
use crate::journal::SinkBalance;
use crate::telemetry::{LinkState, LinkStatus};

/// Stretches of what is missing that stand under the verdict; more are counted.
const STRETCHES: usize = 3;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let sinks = look.app.history.ledger();
    html! {
        section #strip aria-labelledby="strip-title" {
            h2 #strip-title { (lang.pick("网关状态", "Gateway")) }
            (health(look))
            (balance(look, &sinks))
            (links(look))
            (sinks_table(look, &sinks))
        }
    }
}

fn health(look: &Look<'_>) -> Markup {
    let journal = look.app.history.health();
    let failing = failing(look.snapshot.is_some(), &journal, look.app.clock.mono().0);
    let (lang, up) = (look.lang, look.app.clock.up_ms());
    html! {
        @for fault in failing.all() {
            p.alert role="alert" title=(fault.to_string()) { (lang.pick("故障：", "Failing: ")) (own::fault(lang, fault)) }
        }
        @if journal.ring > 0 { p.alert { (lang.pick("尚未写入磁盘的报警记录：", "Alarm records not on disk yet: ")) (journal.ring) } }
        @if !look.app.clock.is_set() {
            p.alert { (lang.pick("网关时钟未校准：报警照常，读数待校时后补时转发", "The gateway's clock is not set: alarms go on, readings wait for their time")) }
        }
        @if journal.room.gives_way {
            p.alert { (lang.pick("近一小时内空间不足，有待转发的数据被抽稀或丢弃", "Within the last hour readings still to be forwarded were thinned or dropped for want of room")) }
        }
        dl.pairs {
            dt { (lang.pick("运行时间", "Up")) } dd { (words::span(lang, up)) }
            dt { (lang.pick("日志占用", "Journal")) } dd.number { (words::bytes(journal.bytes_on_disk)) }
            @if let Some(hours) = journal.room.hours_left {
                dt { (lang.pick("断网可存", "Outage room")) } dd.number { (words::span(lang, (hours * 3_600_000.0) as u64)) }
            }
            @if let Some(a_day) = written_a_day(up) {
                dt { (lang.pick("每日写盘", "Written a day")) } dd.number { (words::bytes(a_day)) }
            }
            dt { (lang.pick("待写入", "Queued")) } dd.number { (words::count(journal.queued as u64)) }
            @if journal.undated > 0 {
                dt { (lang.pick("待定时间", "Without a time yet")) } dd.number { (words::count(journal.undated)) }
            }
            dt { (lang.pick("版本", "Version")) } dd { (env!("CARGO_PKG_VERSION")) }
        }
    }
}

/// The figure that matters: everything read is somewhere. What was dropped, dead-lettered or can't be found is lost. What was
/// read before an unclean stop or lay in a damaged file is in no count; the verdict says of which hours that may be.
fn balance(look: &Look<'_>, sinks: &[SinkBalance]) -> Markup {
    let lang = look.lang;
    let (run, totals) = (RunBalance::of(&look.app.stats), Totals::of(sinks));
    let dropped: u64 = run.refused.iter().filter(|(reason, _)| *reason != "undecodable").map(|(_, n)| n).sum();
    let lost = dropped + totals.dead + totals.expired + totals.unaccounted;
    html! {
        p.verdict data-lost[lost > 0] data-missing[look.missing.as_ref().is_none_or(|missing| !missing.items.is_empty())] {
            @if lost > 0 { span.mark { "✗ " (lang.pick("未送达或丢弃 ", "Dropped or undeliverable: ")) (words::count(lost)) } }
            @else if look.missing.as_ref().is_some_and(|missing| missing.items.is_empty()) {
                span.mark { "✓ " (lang.pick("无丢失", "Nothing lost")) }
            } @else { span.mark { "△ " (lang.pick("本次运行无丢失", "Nothing lost in this run")) } }
        }
        (missing(look))
        dl.pairs {
            dt { (lang.pick("本次读入", "Read, this run")) } dd.number { (words::count(run.read)) }
            dt { (lang.pick("已提交", "Committed")) } dd.number { (words::count(run.committed)) }
            dt { (lang.pick("处理中", "In flight")) } dd.number { (words::count(run.in_flight)) }
            @for (reason, n) in run.refused.iter().filter(|(_, n)| *n > 0) {
                dt { (lang.pick("拒收：", "Refused: ")) (words::refused(lang, reason)) } dd.number { (words::count(*n)) }
            }
        }
    }
}

/// What the journal says is missing of the last days.
fn missing(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let Some(missing) = &look.missing else {
        return html! { p.missing { (lang.pick("近日有无缺失暂不可查：日志无法读取", "Whether anything of the last days is missing is not known: the journal can't be read")) } };
    };
    let more = missing.items.len().saturating_sub(STRETCHES);
    html! {
        @if !missing.items.is_empty() {
            p.missing { (lang.pick("近 ", "Missing of the last ")) (DAYS) (lang.pick(" 天缺失：", " days:")) }
            ul.missing {
                @for Stretch { from, to, at_most, why } in missing.items.iter().take(STRETCHES) {
                    li { (own::stretch(lang, &look.dial, look.now, (*from, *to))) " · " (own::gap(lang, *at_most, why)) }
                }
                @if more > 0 {
                    li { (lang.pick("另有 ", "and ")) (more) (lang.pick(" 段，见 ", " more: ")) a href="/api/v1/ledger" { "/api/v1/ledger" } }
                }
            }
        }
    }
}

/// Where data comes from, and where it goes: two lists, since what to do about a dead one differs.
fn links(look: &Look<'_>) -> Markup {
    let (sinks, sources) = look.app.links().into_iter().partition(|(name, _)| is_sink(name));
    html! {
        (link_list(look, look.lang.pick("采集", "Read from"), sources))
        (link_list(look, look.lang.pick("转发推送", "Sent to"), sinks))
    }
}

fn link_list(look: &Look<'_>, title: &str, links: BTreeMap<String, LinkStatus>) -> Markup {
    let lang = look.lang;
    if links.is_empty() {
        return html! {};
    }
    html! {
        h3 { (title) }
        ul.links {
            @for (name, link) in links {
                li data-link=(match link.state { LinkState::Up => "up", LinkState::Connecting => "connecting", LinkState::Down { .. } => "down" }) {
                    span.mark { (words::link(lang, &link.state)) } " " (name)
                    " " span.faint data-age=(link.since) { (words::ago(lang, look.now, link.since)) }
                    @if let LinkState::Down { why } = &link.state { span.why title=(why) { (words::why(lang, why)) } }
                }
            }
        }
    }
}

/// Committed is the sum of the others.
fn sinks_table(look: &Look<'_>, sinks: &[SinkBalance]) -> Markup {
    let lang = look.lang;
    html! {
        h3 { (lang.pick("送达账目", "Deliveries")) }
        @if sinks.is_empty() {
            p.faint { (lang.pick("未配置存储与推送；数据只留在本机日志。", "No store or push is configured; data stays in the local journal.")) }
        } @else {
            table.sinks {
                thead { tr {
                    th scope="col" { (lang.pick("名称", "Sink")) }
                    th.right scope="col" { (lang.pick("已提交", "Committed")) }
                    th.right scope="col" { (lang.pick("已送达", "Delivered")) }
                    th.right scope="col" { (lang.pick("待送", "Pending")) }
                    th.right scope="col" { (lang.pick("死信", "Dead")) }
                } }
                tbody { @for sink in sinks { tr {
                    th scope="row" { (sink.sink) " " span.faint { (words::lane(lang, sink.lane)) } }
                    td.right.number { (words::count(sink.committed)) }
                    td.right.number { (words::count(sink.delivered)) }
                    td.right.number { (words::count(sink.pending)) }
                    td.right.number data-lost[sink.dead > 0] { (words::count(sink.dead)) }
                }
                (given_up(lang, sink))
                } }
            }
        }
    }
}

/// The rest of the sum, which is rarely there: under the sink's row, for a column each would leave its name no room.
fn given_up(lang: Lang, sink: &SinkBalance) -> Markup {
    let parts =
        [(lang.pick("抽稀", "thinned"), sink.thinned, false), (lang.pick("过期", "expired"), sink.expired, true)];
    let parts = parts.into_iter().filter(|(_, n, _)| *n > 0);
    html! {
        @if sink.thinned + sink.expired > 0 {
            tr { td.right colspan="5" {
                @for (n, (word, records, lost)) in parts.enumerate() {
                    @if n > 0 { " · " }
                    (word) " " span.number data-lost[lost] { (words::count(records)) }
                }
            } }
        }
    }
}
