//! A bucket's versions against a model that is simple enough to be right: any sequence of operations leaves both alike.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    Delete(u8),
    /// Of the version at this place, counted from the newest.
    Remove(u8, u8),
    Copy(u8, u8),
    Set(bool),
}

/// A version: its id and its ETag; none for a delete marker.
type Version = (String, Option<String>);

/// Each key's versions, the newest last.
#[derive(Default)]
struct Model {
    keys: BTreeMap<String, Vec<Version>>,
    keeps: Option<bool>,
}

impl Model {
    fn add(&mut self, key: &str, id: Option<&str>, etag: Option<&str>) {
        let id = id.unwrap_or("null").to_owned();
        let versions = self.keys.entry(key.to_owned()).or_default();
        if id == "null" {
            versions.retain(|(known, _)| known != "null");
        }
        versions.push((id, etag.map(str::to_owned)));
    }

    fn current(&self, key: &str) -> Option<&str> {
        self.keys.get(key)?.last()?.1.as_deref()
    }

    fn flat(&self) -> Vec<(String, String, Option<String>)> {
        let newest_first =
            self.keys.iter().flat_map(|(key, versions)| versions.iter().rev().map(move |one| (key, one)));
        newest_first.map(|(key, (id, etag))| (key.clone(), id.clone(), etag.clone())).collect()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..3_u8;
    let step = prop_oneof![
        4 => key.clone().prop_map(Step::Put),
        2 => key.clone().prop_map(Step::Delete),
        2 => (key.clone(), 0..3_u8).prop_map(|(key, place)| Step::Remove(key, place)),
        1 => (key.clone(), key).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => any::<bool>().prop_map(Step::Set),
    ];
    proptest::collection::vec(step, 1..30)
}

#[tokio::test]
async fn any_sequence_of_operations_leaves_what_the_model_says() {
    let mut runner = TestRunner::deterministic();
    for case in 0..24 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let world = World::new().await;
        let mut model = Model::default();
        for (number, step) in steps.iter().enumerate() {
            apply(&world, &mut model, number, step).await;
            assert_eq!(seen(&world).await, model.flat(), "case {case}, step {number} of {steps:?}");
        }
        for key in model.keys.keys() {
            let object = world.index.object("b", key).await.ok();
            assert_eq!(object.map(|object| object.head.etag).as_deref(), model.current(key), "case {case}: {steps:?}");
        }
        assert_sound(&world).await;
    }
}

async fn apply(world: &World, model: &mut Model, number: usize, step: &Step) {
    let name = |key: u8| format!("key {key}");
    match *step {
        Step::Put(key) => {
            let etag = format!("etag {number}");
            let put = world.put(&name(key), &etag).await;
            assert_eq!(put.version_id.is_some(), model.keeps.is_some());
            model.add(&name(key), put.version_id.as_deref(), Some(&etag));
        }
        Step::Delete(key) => {
            let deleted = delete(world, &name(key), None).await;
            match model.keeps {
                None => drop(model.keys.remove(&name(key))),
                Some(_) => model.add(&name(key), deleted.version_id.as_deref(), None),
            }
        }
        Step::Remove(key, place) => {
            let Some(versions) = model.keys.get_mut(&name(key)).filter(|versions| !versions.is_empty()) else { return };
            let at = versions.len().saturating_sub(1 + usize::from(place));
            let (id, etag) = versions.remove(at);
            let deleted = delete(world, &name(key), Some(&id)).await;
            assert_eq!((deleted.existed, deleted.delete_marker), (true, etag.is_none()));
        }
        Step::Copy(from, to) => {
            let Ok(source) = world.index.object("b", &name(from)).await else { return };
            let copied = world.index.copy_object(world.copy(source.head.id, &name(to))).await.unwrap();
            model.add(&name(to), copied.version_id.as_deref(), Some(&source.head.etag));
        }
        Step::Set(keeps) => {
            model.keeps = Some(keeps);
            set(world, if keeps { Versioning::Enabled } else { Versioning::Suspended }).await;
        }
    }
    model.keys.retain(|_, versions| !versions.is_empty());
}

async fn seen(world: &World) -> Vec<(String, String, Option<String>)> {
    let page = world.index.list_versions(request("", None, "", None, 1_000)).await.unwrap();
    let entry = |entry: VersionEntry| match entry {
        VersionEntry::Version(head) => {
            let etag = (!head.is_delete_marker).then_some(head.etag);
            Some((head.key, head.version_id, etag))
        }
        VersionEntry::Prefix(_) => None,
    };
    page.entries.into_iter().filter_map(entry).collect()
}
