//! A model that adds up what a bucket must hold says, for any course of writes, what is counted and what is refused.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Something that is done to the bucket. Keys, uploads and part numbers are few, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Put {
        key: u8,
        size: u64,
    },
    PutIfAbsent {
        key: u8,
        size: u64,
    },
    Copy {
        from: u8,
        to: u8,
    },
    Delete {
        keys: Vec<u8>,
    },
    Begin {
        key: u8,
    },
    Part {
        upload: usize,
        number: i32,
        size: u64,
    },
    Complete {
        upload: usize,
        leave_out_first: bool,
    },
    Abort {
        upload: usize,
    },
    AbortAll,
    Limit {
        bytes: Option<u64>,
        objects: Option<u64>,
    },
    Unlimit,
    Recount,
    /// Deletes the bucket where it is empty.
    DeleteBucket,
    EmptyBucket,
}

fn step() -> impl Strategy<Value = Step> {
    let (key, size, upload) = (0..5_u8, 0..40_u64, 0..3_usize);
    prop_oneof![
        6 => (key.clone(), size.clone()).prop_map(|(key, size)| Step::Put { key, size }),
        1 => (key.clone(), size.clone()).prop_map(|(key, size)| Step::PutIfAbsent { key, size }),
        3 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => prop::collection::vec(key.clone(), 1..4).prop_map(|keys| Step::Delete { keys }),
        3 => key.prop_map(|key| Step::Begin { key }),
        5 => (upload.clone(), 1..4, size).prop_map(|(upload, number, size)| Step::Part { upload, number, size }),
        3 => (upload.clone(), any::<bool>())
            .prop_map(|(upload, leave_out_first)| Step::Complete { upload, leave_out_first }),
        1 => upload.prop_map(|upload| Step::Abort { upload }),
        1 => Just(Step::AbortAll),
        3 => (prop::option::of(0..150_u64), prop::option::of(0..6_u64))
            .prop_map(|(bytes, objects)| Step::Limit { bytes, objects }),
        1 => Just(Step::Unlimit),
        1 => Just(Step::Recount),
        1 => Just(Step::DeleteBucket),
        1 => Just(Step::EmptyBucket),
    ]
}

/// The bucket as it must be.
#[derive(Debug, Default)]
struct Model {
    objects: BTreeMap<u8, u64>,
    /// Each with its key and its parts.
    uploads: Vec<(Upload, u8, BTreeMap<i32, u64>)>,
    quota: Quota,
}

impl Model {
    fn usage(&self) -> (u64, u64) {
        let parts = self.uploads.iter().flat_map(|(_, _, parts)| parts.values());
        (self.objects.values().chain(parts).sum(), self.objects.len() as u64)
    }

    /// Whether a write is taken that frees and adds so many bytes, and makes an object of `key`.
    fn takes(&self, freed: u64, added: u64, key: Option<u8>) -> bool {
        let (bytes, objects) = self.usage();
        let new = key.is_some_and(|key| !self.objects.contains_key(&key));
        let fits = |used: u64, limit: Option<u64>| limit.is_none_or(|limit| used <= limit);
        (added <= freed || fits(bytes + added - freed, self.quota.bytes))
            && (!new || fits(objects + 1, self.quota.objects))
    }

    fn size(&self, key: u8) -> u64 {
        self.objects.get(&key).copied().unwrap_or_default()
    }
}

fn name(key: u8) -> String {
    format!("k{key}")
}

/// What must come of it where `taken` says whether there is room.
#[track_caller]
fn agree<T: std::fmt::Debug>(result: Result<T>, taken: bool) -> bool {
    match (result, taken) {
        (Ok(_), true) => true,
        (Err(error), false) if error.code() == Code::QuotaExceeded => false,
        (result, taken) => panic!("{result:?}, and there is {} room", if taken { "" } else { "no" }),
    }
}

impl World {
    async fn take(&self, model: &mut Model, step: &Step) {
        match step {
            Step::Put { key, size } => {
                let taken = model.takes(model.size(*key), *size, Some(*key));
                agree(self.index.expect_room("b", &name(*key), *size).await, taken);
                if agree(self.put_sized(&name(*key), *size).await, taken) {
                    model.objects.insert(*key, *size);
                }
            }
            Step::PutIfAbsent { key, size } => self.take_new(model, *key, *size).await,
            Step::Copy { from, to } => {
                let Some(size) = model.objects.get(from).copied() else { return };
                let taken = model.takes(model.size(*to), size, Some(*to));
                let source = self.index.object("b", &name(*from)).await.unwrap().head.id;
                if agree(self.index.copy_object(self.copy(source, &name(*to))).await, taken) {
                    model.objects.insert(*to, size);
                }
            }
            Step::Delete { keys } => {
                let names: Vec<String> = keys.iter().map(|key| name(*key)).collect();
                self.index.delete_objects("b", &names, NOW, &[]).await.unwrap();
                model.objects.retain(|key, _| !keys.contains(key));
            }
            Step::Begin { .. } | Step::Part { .. } | Step::Complete { .. } | Step::Abort { .. } | Step::AbortAll => {
                self.take_upload(model, step).await;
            }
            _ => self.take_bucket(model, step).await,
        }
    }

    async fn take_new(&self, model: &mut Model, key: u8, size: u64) {
        let conditions = WriteConditions { absent: true, etag: None };
        let key_name = name(key);
        let pinned = pin_sized(&self.index, "b", "absent", size).await;
        let object = NewObject { conditions, ..self.new_object(&key_name, (size > 0).then_some(&pinned)) };
        let result = self.index.commit_object(object).await;
        if model.objects.contains_key(&key) {
            return assert_code(result, Code::PreconditionFailed);
        }
        if agree(result, model.takes(0, size, Some(key))) {
            model.objects.insert(key, size);
        }
    }

    async fn take_upload(&self, model: &mut Model, step: &Step) {
        match step {
            Step::Begin { key } => {
                let begun = self.try_begin_upload(&name(*key)).await;
                let taken = model.takes(0, 0, Some(*key));
                if let Ok(upload) = &begun {
                    model.uploads.push((upload.clone(), *key, BTreeMap::new()));
                }
                agree(begun, taken);
            }
            Step::Part { upload, number, size } => {
                let Some((of, _, parts)) = model.uploads.get(*upload) else { return };
                let of = of.clone();
                let freed = parts.get(number).copied().unwrap_or_default();
                let taken = model.takes(freed, *size, None);
                agree(self.index.upload("b", &of.key, &of.id, Some((*number, *size))).await, taken);
                let result = match size {
                    0 => {
                        self.index.put_part(self.new_part(&of, *number, &number.to_string(), &[], None)).await.map(drop)
                    }
                    _ => self.put_part_sized(&of, *number, *size).await,
                };
                if agree(result, taken) {
                    model.uploads[*upload].2.insert(*number, *size);
                }
            }
            Step::Complete { upload, leave_out_first } => {
                let Some((of, key, parts)) = model.uploads.get(*upload) else { return };
                let chosen: Vec<(i32, u64)> =
                    parts.iter().skip(usize::from(*leave_out_first)).map(|(number, size)| (*number, *size)).collect();
                if chosen.is_empty() {
                    return;
                }
                let etags: Vec<String> = chosen.iter().map(|(number, _)| number.to_string()).collect();
                let named: Vec<(i32, &str)> =
                    chosen.iter().zip(&etags).map(|((number, _), etag)| (*number, etag.as_str())).collect();
                let (of, key) = (of.clone(), *key);
                let taken = model.takes(0, 0, Some(key));
                if agree(self.complete(&of, &named, "e-1").await, taken) {
                    model.uploads.remove(*upload);
                    model.objects.insert(key, chosen.iter().map(|(_, size)| size).sum());
                }
            }
            Step::Abort { upload } if *upload < model.uploads.len() => {
                let (of, _, _) = model.uploads.remove(*upload);
                self.index.abort_upload("b", &of.key, &of.id, NOW, &[]).await.unwrap();
            }
            Step::AbortAll => {
                self.index.abort_stale_uploads(NOW, 100, NOW).await.unwrap();
                model.uploads.clear();
            }
            _ => {}
        }
    }

    async fn take_bucket(&self, model: &mut Model, step: &Step) {
        match step {
            Step::Limit { bytes, objects } if bytes.is_some() || objects.is_some() => {
                model.quota = limits(*bytes, *objects);
                set(&self.index, "b", model.quota).await;
            }
            Step::Unlimit => {
                let removed = self.index.delete_bucket_quota("b", None, &[]).await;
                assert_eq!(removed.is_ok(), model.quota != Quota::default());
                model.quota = Quota::default();
            }
            Step::Recount => {
                let drift = self.index.recount_usage("b", &[]).await.unwrap();
                assert_eq!(drift, Drift { bytes: 0, objects: 0 });
            }
            Step::DeleteBucket => match self.index.delete_bucket("b", &[]).await {
                Ok(()) => {
                    assert!(model.objects.is_empty() && model.uploads.is_empty());
                    model.quota = Quota::default();
                    self.index.create_bucket(new_bucket("b")).await.unwrap();
                }
                deleted => assert_code(deleted, Code::BucketNotEmpty),
            },
            Step::EmptyBucket => {
                while !self.index.empty_bucket("b", 2, "root", NOW, &[]).await.unwrap().is_nothing() {}
                model.objects.clear();
                model.uploads.clear();
            }
            _ => {}
        }
    }
}

#[test]
fn any_course_of_writes_is_counted_and_refused_as_a_model_adds_it_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let mut runner = TestRunner::new(Config::with_cases(64));
    let run = runner.run(&prop::collection::vec(step(), 1..50), |steps| {
        runtime.block_on(async {
            let mut model = Model::default();
            for (at, step) in steps.iter().enumerate() {
                world.take(&mut model, step).await;
                assert_eq!(world.usage().await, model.usage(), "step {at}: {step:?}");
            }
            assert_eq!(world.counted_wrong().await, 0);
            // The next case begins with an empty bucket.
            world.take(&mut model, &Step::EmptyBucket).await;
            world.take(&mut model, &Step::DeleteBucket).await;
        });
        Ok(())
    });
    run.unwrap();
}
