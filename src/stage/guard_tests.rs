//! The guard before anybody has connected.

use super::*;
use crate::config::Guard;

fn spec(mysql: &str, kafka: &str) -> ExternalSpec {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ExternalSpec {
        mysql: mysql.to_owned(),
        kafka: kafka.to_owned(),
        guard: Guard {
            hosts: texts(&["127.0.0.1", "10.0.0.7", "db.prod.example"]),
            schemas: texts(&["shop_drill", "shop_live", "mysql"]),
            topic_prefixes: texts(&["drill."]),
            allow_remote: false,
        },
        beside: Vec::new(),
        fixed_topics: false,
    }
}

const MYSQL: &str = "mysql://drill:p%40ss@127.0.0.1:3306/shop_drill";
const KAFKA: &str = "127.0.0.1:9092";

#[test]
fn what_may_be_touched_passes() {
    let spec = spec(MYSQL, KAFKA);
    let places = places(&spec).unwrap();
    assert_eq!(places.login.password.as_deref(), Some("p@ss"));
    assert_eq!(refusals(&spec, &places), Vec::<String>::new());
}

#[test]
fn what_could_hurt_is_refused_by_name() {
    for (mysql, kafka, told) in [
        ("mysql://u@10.0.0.8/shop_drill", KAFKA, "host `10.0.0.8` is not in stage.guard.hosts"),
        ("mysql://u@127.0.0.1/shop", KAFKA, "schema `shop` is not in stage.guard.schemas"),
        ("mysql://u@127.0.0.1/shop_live", KAFKA, "looks like production (`live`)"),
        ("mysql://u@db.prod.example/shop_drill", KAFKA, "looks like production (`prod`)"),
        ("mysql://u@127.0.0.1/mysql", KAFKA, "the server's own"),
        (MYSQL, "10.0.0.9:9092", "host `10.0.0.9` is not in stage.guard.hosts"),
    ] {
        let spec = spec(mysql, kafka);
        let told_all = refusals(&spec, &places(&spec).unwrap()).join("; ");
        assert!(told_all.contains(told), "{told_all}");
    }
    for prefix in ["", ".", "drill", "a b."] {
        let mut spec = spec(MYSQL, KAFKA);
        spec.guard.topic_prefixes = vec![prefix.to_owned()];
        let told = refusals(&spec, &places(&spec).unwrap()).join("; ");
        assert!(told.contains("must be a name and end with"), "{prefix}: {told}");
    }
}

#[test]
fn what_is_no_address_is_told_without_its_password() {
    for (mysql, kafka) in [
        ("mysql://u:secret@127.0.0.1/", KAFKA),
        ("mysql://127.0.0.1/shop_drill", KAFKA),
        ("127.0.0.1:3306", KAFKA),
        (MYSQL, "127.0.0.1"),
        (MYSQL, "127.0.0.1:9092,127.0.0.1:9093"),
    ] {
        let told = places(&spec(mysql, kafka)).unwrap_err().to_string();
        assert!(told.contains("is no address") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn remote_hosts_need_a_word() {
    for (host, near) in
        [("127.0.0.1", true), ("10.1.2.3", true), ("192.168.1.1", true), ("8.8.8.8", false)]
    {
        for (allow_remote, refused) in [(false, !near), (true, false)] {
            let mut told = Vec::new();
            let found = address(&(host.to_owned(), 3306), allow_remote, &mut told);
            assert_eq!(found.map(|a| a.ip().to_string()).as_deref(), Some(host));
            assert_eq!(!told.is_empty(), refused, "{host} {allow_remote}: {told:?}");
        }
    }
}

#[test]
fn the_tables_of_a_ddl_are_known_by_name() {
    let ddl =
        "CREATE TABLE IF NOT EXISTS sku (\n a INT);\nCREATE TABLE IF NOT EXISTS `bid`(b INT);";
    assert_eq!(table_names(ddl), ["sku", "bid"]);
}
