//! The topics of a cell and what their partitions are called as sources.

/// The cell's topics: physical name = prefix + logical name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub prefix: String,
    /// Logical name and number of partitions.
    pub logical: Vec<(String, i32)>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Physical name.
    pub topic: String,
    pub number: i32,
    /// As marks and watermarks name it: `orders.events/0`.
    pub source: String,
}

impl Topics {
    /// Those of the built-in platform, one partition each.
    pub fn builtin(prefix: impl Into<String>) -> Topics {
        let logical = ["orders.events", "refund.events", "channel.flow"];
        Topics {
            prefix: prefix.into(),
            logical: logical.into_iter().map(|topic| (topic.to_owned(), 1)).collect(),
        }
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> + '_ {
        self.logical.iter().flat_map(move |(logical, count)| {
            (0..*count).map(move |number| Partition {
                topic: format!("{}{logical}", self.prefix),
                number,
                source: format!("{logical}/{number}"),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_logical_names() {
        let topics =
            Topics { prefix: "c3.".into(), logical: vec![("a".into(), 2), ("b".into(), 1)] };
        let named: Vec<_> =
            topics.partitions().map(|at| (at.topic, at.number, at.source)).collect();
        let expect = [("c3.a", 0, "a/0"), ("c3.a", 1, "a/1"), ("c3.b", 0, "b/0")];
        let expect = expect.map(|(topic, number, source)| (topic.into(), number, source.into()));
        assert_eq!(named, expect);
    }
}
