//! Which topic a name stands for: the broker's own id of it.
//!
//! A topic that is deleted and made anew has the old name and other records: only its id tells. The wrapper that we use
//! has no call for it, so this one goes to the library below. Not covered: brokers older than 2.8, which know no ids.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::client::DefaultClientContext;

/// Who asks, on a connection of its own: on the reader's a question waits behind a fetch that waits for news.
pub struct Asker {
    config: ClientConfig,
    client: OnceLock<AdminClient<DefaultClientContext>>,
}

impl Asker {
    pub fn new(brokers: &str) -> Asker {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "dcheck")
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("log_level", "0");
        Asker { config, client: OnceLock::new() }
    }

    /// None where its settings are refused, as the reader's then are.
    fn client(&self) -> Option<&AdminClient<DefaultClientContext>> {
        if self.client.get().is_none() {
            let _ = self.client.set(self.config.create().ok()?);
        }
        self.client.get()
    }
}

/// The id of "no topic", as brokers without ids say it.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Room for the library's word about a wrong option.
const ERROR_BYTES: usize = 512;

/// Ids by topic, of those that the broker knows; none where it does not answer in time.
pub fn topic_ids(
    asker: &Asker,
    names: &[String],
    limit: Duration,
) -> Option<BTreeMap<String, String>> {
    let names: Vec<CString> =
        names.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    let client = asker.client()?.inner().native_ptr();
    // SAFETY: the client outlives the calls, for `asker` is borrowed; so do the names. Each object that is made here is
    // destroyed here, once, after its last use; the result belongs to the event and is read before that is destroyed.
    unsafe {
        let topics =
            native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let of_kind = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = native::rd_kafka_AdminOptions_new(client, of_kind);
        let mut why = [0; ERROR_BYTES];
        native::rd_kafka_AdminOptions_set_request_timeout(
            options,
            limit_ms,
            why.as_mut_ptr(),
            why.len(),
        );
        let queue = native::rd_kafka_queue_new(client);
        native::rd_kafka_DescribeTopics(client, topics, options, queue);
        let event = native::rd_kafka_queue_poll(queue, limit_ms);
        let found = if event.is_null() { None } else { ids_of(event) };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
        native::rd_kafka_AdminOptions_destroy(options);
        native::rd_kafka_TopicCollection_destroy(topics);
        found
    }
}

/// SAFETY: `event` is one that the library gave and that is not destroyed yet.
unsafe fn ids_of(event: *mut native::rd_kafka_event_t) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    // SAFETY: what the library gives out of a result lives as long as its event; counts are its own.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        let error = native::rd_kafka_event_error(event);
        if result.is_null() || error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let mut count = 0;
        let first =
            native::rd_kafka_DescribeTopics_result_topics(result, ptr::from_mut(&mut count));
        for nth in 0..count {
            let topic = *first.add(nth);
            let error = native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic));
            let id = native::rd_kafka_TopicDescription_topic_id(topic);
            if error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || id.is_null() {
                continue;
            }
            let name = CStr::from_ptr(native::rd_kafka_TopicDescription_name(topic));
            let id = CStr::from_ptr(native::rd_kafka_Uuid_base64str(id)).to_string_lossy();
            if id != NONE {
                found.insert(name.to_string_lossy().into_owned(), id.into_owned());
            }
        }
    }
    Some(found)
}
