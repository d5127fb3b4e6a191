use super::*;

#[tokio::test]
async fn a_bucket_is_given_back_as_it_was_made() {
    let world = World::new().await;
    let made = world.index.create_bucket(NewBucket { region: "eu-1", ..new_bucket("other") }).await.unwrap();
    let read = world.index.bucket("other").await.unwrap();
    assert_eq!((read.id, read.created_at, &read.region), (made.id, made.created_at, &made.region));
    assert_eq!(read.placement, made.placement);
    assert_eq!(read.placement.shards, 4);
    assert_eq!(world.count("SELECT count(*) FROM repositories").await, 8, "four shards for each of two buckets");
}

#[tokio::test]
async fn a_name_is_given_once() {
    let world = World::new().await;
    assert_code(world.index.create_bucket(new_bucket("b")).await, Code::BucketAlreadyOwnedByYou);
    assert_code(world.index.bucket("c").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn of_many_who_make_one_bucket_one_does() {
    let world = World::new().await;
    let made = futures::future::join_all((0..12).map(|_| world.index.create_bucket(new_bucket("new")))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.into_iter().filter(Result::is_err) {
        assert_code(refused, Code::BucketAlreadyOwnedByYou);
    }
    assert_eq!(world.count("SELECT count(*) FROM placements").await, 2, "the losers left no placement");
}

#[tokio::test]
async fn buckets_are_listed_in_byte_order_page_by_page() {
    let world = World::new().await;
    for name in ["logs-2", "logs-10", "logs", "zeta", "a.b"] {
        world.index.create_bucket(new_bucket(name)).await.unwrap();
    }
    let names = |page: &BucketPage| page.buckets.iter().map(|bucket| bucket.name.clone()).collect::<Vec<_>>();
    let all = world.index.list_buckets("", "", 100).await.unwrap();
    assert_eq!(names(&all), ["a.b", "b", "logs", "logs-10", "logs-2", "zeta"]);
    assert!(!all.truncated);
    let first = world.index.list_buckets("logs", "", 2).await.unwrap();
    assert_eq!((names(&first), first.truncated), (vec!["logs".to_owned(), "logs-10".to_owned()], true));
    let second = world.index.list_buckets("logs", "logs-10", 2).await.unwrap();
    assert_eq!((names(&second), second.truncated), (vec!["logs-2".to_owned()], false));
}

#[tokio::test]
async fn only_an_empty_bucket_is_deleted() {
    let world = World::new().await;
    world.put("k", "x").await;
    assert_code(world.index.delete_bucket("b", &[]).await, Code::BucketNotEmpty);
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    let upload = world.begin_upload("k").await;
    assert_code(world.index.delete_bucket("b", &[]).await, Code::BucketNotEmpty);
    world.index.abort_upload("b", "k", &upload.id, NOW, &[]).await.unwrap();
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_code(world.index.delete_bucket("b", &[]).await, Code::NoSuchBucket);
    assert_code(world.index.object("b", "k").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_bucket_without_objects_goes_with_the_uploads_that_are_under_way() {
    let world = World::new().await;
    world.begin_upload("k").await;
    world.put("k", "x").await;
    assert_code(world.index.delete_bucket_and_uploads("b", NOW, &[]).await, Code::BucketNotEmpty);
    assert_eq!(world.count("SELECT count(*) FROM uploads").await, 1, "what is refused takes nothing away");
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    world.index.delete_bucket_and_uploads("b", NOW, &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM uploads").await, 0);
    assert_code(world.index.delete_bucket_and_uploads("b", NOW, &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn emptying_goes_on_in_batches_until_objects_and_uploads_are_gone() {
    let world = World::new().await;
    for i in 0..7 {
        world.put(&format!("k{i}"), &format!("bytes {i}")).await;
    }
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "part").await.unwrap();
    let held = world.index.bucket_quota("b").await.unwrap().usage.bytes;
    let (mut rounds, mut bytes) = (Vec::new(), 0);
    while rounds.last() != Some(&0) {
        let emptied = world.index.empty_bucket("b", 3, "root", NOW, &[]).await.unwrap();
        bytes += emptied.bytes;
        rounds.push(emptied.objects + emptied.uploads);
    }
    assert_eq!((rounds, bytes), (vec![3, 3, 1, 1, 0], held));
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.sweep().await.len(), 8);
    assert_eq!(world.blobs().await, 0);
    assert_code(world.index.empty_bucket("b", 3, "root", NOW, &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_number_of_shards_that_no_digest_spreads_over_is_refused() {
    let world = World::new().await;
    for shards in [0, 3, 512] {
        assert_code(world.index.create_bucket(NewBucket { shards, ..new_bucket("odd") }).await, Code::InternalError);
    }
}
