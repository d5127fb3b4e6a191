//! The document of bucket notifications, between S3's XML and ours.

use s3s::dto;

use crate::bucket_configuration::Notification;
use crate::bucket_configuration::notification::{Configuration, Filter, List};
use crate::error::{Code, Error, Result};

/// What a client wants to be told of; configurations without an id get one, as at AWS.
///
/// # Errors
/// `NotImplemented`: all events shall go to EventBridge. `MalformedXml`: a filter's rule has no name or no value.
pub(super) fn read(document: dto::NotificationConfiguration) -> Result<Notification> {
    if document.event_bridge_configuration.is_some() {
        return Err(Error::new(Code::NotImplemented, "There is no EventBridge here: name a webhook."));
    }
    let topics = document.topic_configurations.unwrap_or_default().into_iter();
    let topics = topics.map(|one| configuration(List::Topic, one.id, one.topic_arn, one.events, one.filter));
    let queues = document.queue_configurations.unwrap_or_default().into_iter();
    let queues = queues.map(|one| configuration(List::Queue, one.id, one.queue_arn, one.events, one.filter));
    let functions = document.lambda_function_configurations.unwrap_or_default().into_iter();
    let functions =
        functions.map(|one| configuration(List::Function, one.id, one.lambda_function_arn, one.events, one.filter));
    topics.chain(queues).chain(functions).collect::<Result<_>>().map(Notification)
}

fn configuration(
    list: List,
    id: Option<String>,
    arn: String,
    events: dto::EventList,
    filter: Option<dto::NotificationConfigurationFilter>,
) -> Result<Configuration> {
    let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| hex::encode(rand::random::<[u8; 16]>()));
    let events = events.into_iter().map(String::from).collect();
    let rules = filter.and_then(|filter| filter.key?.filter_rules).unwrap_or_default().into_iter();
    let filters = rules.map(|rule| match (rule.name, rule.value) {
        (Some(name), Some(value)) => Ok(Filter { name: name.as_str().to_owned(), value }),
        _ => Err(Code::MalformedXml.into()),
    });
    Ok(Configuration { list, id, arn, events, filters: filters.collect::<Result<_>>()? })
}

/// The document as S3 shows it.
pub(super) fn shown(notification: Notification) -> dto::GetBucketNotificationConfigurationOutput {
    let mut output = dto::GetBucketNotificationConfigurationOutput::default();
    for configuration in notification.0 {
        let Configuration { list, id, arn, events, filters } = configuration;
        let (id, events) = (Some(id), events.into_iter().map(dto::Event::from).collect());
        let filter = filter(filters);
        match list {
            List::Topic => output.topic_configurations.get_or_insert_default().push(dto::TopicConfiguration {
                events,
                filter,
                id,
                topic_arn: arn,
            }),
            List::Queue => output.queue_configurations.get_or_insert_default().push(dto::QueueConfiguration {
                events,
                filter,
                id,
                queue_arn: arn,
            }),
            List::Function => output
                .lambda_function_configurations
                .get_or_insert_default()
                .push(dto::LambdaFunctionConfiguration { events, filter, id, lambda_function_arn: arn }),
        }
    }
    output
}

fn filter(filters: Vec<Filter>) -> Option<dto::NotificationConfigurationFilter> {
    let rule = |filter: Filter| dto::FilterRule {
        name: Some(dto::FilterRuleName::from(filter.name)),
        value: Some(filter.value),
    };
    let rules: Vec<dto::FilterRule> = filters.into_iter().map(rule).collect();
    (!rules.is_empty())
        .then_some(dto::NotificationConfigurationFilter { key: Some(dto::S3KeyFilter { filter_rules: Some(rules) }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> dto::NotificationConfiguration {
        let rule = |name: &str, value: &str| dto::FilterRule {
            name: Some(dto::FilterRuleName::from(name.to_owned())),
            value: Some(value.to_owned()),
        };
        let filter = filter_of(vec![rule("Prefix", "in/"), rule("suffix", ".txt")]);
        let events = vec![dto::Event::from("s3:ObjectCreated:*".to_owned())];
        dto::NotificationConfiguration {
            event_bridge_configuration: None,
            topic_configurations: Some(vec![dto::TopicConfiguration {
                events: events.clone(),
                filter: Some(filter),
                id: Some("t".to_owned()),
                topic_arn: "arn:zas:webhook:::ci".to_owned(),
            }]),
            queue_configurations: Some(vec![dto::QueueConfiguration {
                events: events.clone(),
                filter: None,
                id: Some("q".to_owned()),
                queue_arn: "arn:zas:webhook:::ci".to_owned(),
            }]),
            lambda_function_configurations: Some(vec![dto::LambdaFunctionConfiguration {
                events,
                filter: None,
                id: None,
                lambda_function_arn: "arn:zas:webhook:::ci".to_owned(),
            }]),
        }
    }

    fn filter_of(rules: Vec<dto::FilterRule>) -> dto::NotificationConfigurationFilter {
        dto::NotificationConfigurationFilter { key: Some(dto::S3KeyFilter { filter_rules: Some(rules) }) }
    }

    #[test]
    fn each_list_is_shown_as_it_was_put() {
        let given = document();
        let got = shown(read(given.clone()).unwrap());
        assert_eq!(got.topic_configurations, given.topic_configurations);
        assert_eq!(got.queue_configurations, given.queue_configurations);
        let functions = got.lambda_function_configurations.unwrap();
        assert_eq!((functions.len(), functions[0].id.as_ref().map(String::len)), (1, Some(32)), "it was given an id");
    }

    #[test]
    fn a_filter_without_a_name_or_a_value_is_no_filter() {
        for (name, value) in
            [(None, Some("x".to_owned())), (Some(dto::FilterRuleName::from("prefix".to_owned())), None)]
        {
            let mut document = document();
            for topic in document.topic_configurations.iter_mut().flatten() {
                topic.filter = Some(filter_of(vec![dto::FilterRule { name: name.clone(), value: value.clone() }]));
            }
            assert_eq!(read(document).unwrap_err().code(), Code::MalformedXml);
        }
    }

    #[test]
    fn there_is_no_event_bridge() {
        let bridge = Some(dto::EventBridgeConfiguration::default());
        let document = dto::NotificationConfiguration { event_bridge_configuration: bridge, ..document() };
        assert_eq!(read(document).unwrap_err().code(), Code::NotImplemented);
    }
}
