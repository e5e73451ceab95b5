//! The page's own words in both languages; the style sheet shows those of the page's language.
//!
//! What the journal holds (names, steps, evidence) stays as it was written.

use super::super::deadline::Owed;
use super::text;
use crate::journal::Word;

/// Both words, one of which is shown.
pub(super) fn both(en: &str, zh: &str) -> String {
    wrapped("span", en, zh)
}

/// The same inside a picture.
pub(super) fn both_drawn(en: &str, zh: &str) -> String {
    wrapped("tspan", en, zh)
}

fn wrapped(tag: &str, en: &str, zh: &str) -> String {
    if en == zh {
        return text(en);
    }
    let (en, zh) = (text(en), text(zh));
    format!("<{tag} class=\"en\">{en}</{tag}><{tag} class=\"zh\" lang=\"zh-CN\">{zh}</{tag}>")
}

/// A verdict's word in both.
pub(super) fn word(word: Word) -> String {
    both(&word.to_string(), word_zh(word))
}

pub(super) fn owed_zh(owed: Owed) -> &'static str {
    match owed {
        Owed::Alert => "告警",
        Owed::Plan => "预案生效",
        Owed::Contained => "止损",
    }
}

pub(super) fn word_zh(word: Word) -> &'static str {
    match word {
        Word::Proved => "已证明",
        Word::Late => "告警迟到",
        Word::Never => "没有告警",
        Word::WrongSubject => "对象错误",
        Word::WrongLossPoint => "资损点错误",
        Word::WrongAmount => "金额错误",
        Word::Duplicate => "重复告警",
        Word::RaisedBeforeTheLoss => "损失之前告警",
        Word::UnexpectedAlert => "多余告警",
        Word::PlanNotStarted => "预案未启动",
        Word::PlanLate => "预案迟到",
        Word::PlanWithoutEffect => "预案无效",
        Word::PlanOutOfScope => "预案越界",
        Word::PlanWithoutCause => "预案误启动",
        Word::PlanCausedALoss => "预案造成损失",
        Word::PutTheLossBack => "损失重现",
        Word::LossAboveBound => "损失超限",
        Word::NotRepaired => "未修复",
        Word::NotContained => "未止损",
        Word::SilenceUnproved => "静默未证明",
        Word::Deaf => "失聪",
        Word::AlreadyAlerting => "事前已告警",
        Word::StageDown => "环境不可用",
        Word::BooksOffBalance => "账目不平",
        Word::FaultDidNotBite => "故障未生效",
        Word::NoLoss => "没有损失",
        Word::ControlLostMoney => "对照组有损失",
        Word::NotJudged => "未裁决",
    }
}

/// What deadlines count from, as the view words it.
pub(super) fn origin_zh(origin: &str) -> &str {
    match origin {
        "the bad row" => "坏账记录出现",
        "the row that made the missing one due" => "应有记录到期",
        "the bad row of the canary" => "探针的坏账记录出现",
        "the row that made the missing one due of the canary" => "探针的应有记录到期",
        "the fault bites" => "故障生效",
        "nothing bad was seen" => "未见坏账",
        other => other,
    }
}
