//! Where a partition is read on, and what lies between there and where it can be read: pure.

use serde::{Deserialize, Serialize};

use crate::dcheck::sources::Dating;

/// Where a partition is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The offset that comes next.
    pub next: i64,
    /// The broker's id of the topic that this is an offset of; none where it is not known.
    pub topic_id: Option<String>,
    pub dating: Option<Dating>,
}

/// Records that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Where reading goes on.
    pub next: i64,
    /// The same for the same gap.
    pub case: String,
    pub what: String,
}

impl Place {
    /// True where the name stands for another topic by now.
    pub fn is_of_another(&self, topic_id: Option<&String>) -> bool {
        matches!((&self.topic_id, topic_id), (Some(own), Some(now)) if own != now)
    }

    /// What is missed, where the log of topic `topic_id` begins at `low` and ends at `high`.
    pub fn missed(&self, topic_id: Option<&String>, (low, high): (i64, i64)) -> Option<Missed> {
        let next = self.next;
        if self.is_of_another(topic_id) {
            let id = self.topic_id.as_deref().unwrap_or_default();
            let what = format!(
                "the topic was deleted and made anew; it was read up to offset {next}, and what came after that is gone, \
                 how much is not known; the new one is read from its beginning, offset {low}"
            );
            return Some(Missed { next: low, case: format!("{id}:{next}"), what });
        }
        if next < low {
            let (count, last) = (low - next, low - 1);
            let what = format!(
                "{count} records, offsets {next} to {last}, were thrown away before they were read"
            );
            return Some(Missed { next: low, case: format!("{next}-{last}"), what });
        }
        (next > high).then(|| {
            let what = format!(
                "the log ends at offset {high}, before offset {next} up to which it was read: it lost its end, or was made \
                 anew; it is read from its beginning, offset {low}"
            );
            Missed { next: low, case: format!("{high}<{next}"), what }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_by_where_the_log_begins_and_ends() {
        let (old, new) = ("A".to_owned(), "B".to_owned());
        for (own, now, ends, next, part) in [
            (None, None, (0, 17), None, ""),
            (None, None, (17, 17), None, ""),
            (None, None, (0, 40), None, ""),
            (Some(&old), Some(&old), (3, 40), None, ""),
            (None, Some(&new), (3, 40), None, ""),
            (Some(&old), None, (3, 40), None, ""),
            (Some(&old), Some(&old), (20, 40), Some(20), "3 records, offsets 17 to 19"),
            (None, None, (0, 16), Some(0), "ends at offset 16"),
            (Some(&old), Some(&new), (0, 40), Some(0), "made anew"),
            (Some(&old), Some(&new), (0, 0), Some(0), "read up to offset 17"),
        ] {
            let place = Place { next: 17, topic_id: own.cloned(), dating: None };
            let missed = place.missed(now, ends);
            assert_eq!(missed.as_ref().map(|missed| missed.next), next, "{own:?} {now:?} {ends:?}");
            let what = missed.map(|missed| missed.what).unwrap_or_default();
            assert!(what.contains(part), "{what}");
        }
    }
}
