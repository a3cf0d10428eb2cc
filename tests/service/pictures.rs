//! Large `Bytes` without copies, through a worker and in this process.

use bytes::Bytes;
use isolated_workers::codec::{Cbor, Codec, Compressed, Json, Postcard, decode_body, encode_body};
use isolated_workers::host::OnCrash;
use isolated_workers::layer::{Middleware, Next, from_fn};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::service::Local;
use isolated_workers::{Error, Message, Pool, Service, ServiceExt, Worker};

use crate::everywhere;
use crate::services::pictures::volumes::{self, Adding, Volumes, VolumesClient};
use crate::services::pictures::{Album, Gallery, Pictures, PicturesClient, pictures};

everywhere!(
    PicturesClient,
    "pictures",
    Gallery::default().into_service(),
    [every_size_round_trips, structs_with_bytes_round_trip, kept_bytes_are_not_overwritten]
);
everywhere!(VolumesClient, "volumes", Adding.into_service(), [another_type_named_bytes_round_trips]);

fn noise(size: usize, seed: u8) -> Bytes {
    (0..size).map(|at| (at as u8).wrapping_mul(7).wrapping_add((at >> 8) as u8) ^ seed).collect()
}

/// Sizes in bytes on both sides of every threshold.
const SIZES: [usize; 6] = [0, 64, 16 << 10, (64 << 10) - 1, 64 << 10, 200_000];

async fn every_size_round_trips<S: Service>(client: PicturesClient<S>) {
    for size in SIZES.into_iter().chain(SIZES.into_iter().rev()) {
        let data = noise(size, 1);
        assert!(client.echo(data.clone()).await.unwrap() == data, "{size} bytes");
    }
}

async fn structs_with_bytes_round_trip<S: Service>(client: PicturesClient<S>) {
    for (first, second) in [(10, 100_000), (100_000, 0), (200_000, 100_000), (20_000, 30_000)] {
        let (first, second) = (noise(first, 1), noise(second, 2));
        let album = client.album(first.clone(), "sea".into(), second.clone()).await.unwrap();
        assert!(album == Album { first, title: "sea".into(), second });
        let turned = client.turned(album.clone()).await.unwrap();
        assert!(turned.first == album.second && turned.second == album.first);
    }
}

/// A receive buffer is reused for the next message, but not while a part of it is referenced.
async fn kept_bytes_are_not_overwritten<S: Service>(client: PicturesClient<S>) {
    let mut answers = Vec::new();
    for seed in 0..6 {
        answers.push((client.keep(noise(200_000, seed)).await.unwrap(), noise(90_000, seed)));
        let small = noise(20_000, seed);
        assert_eq!(client.echo(small.clone()).await.unwrap(), small);
        let echoed = client.echo(answers[usize::from(seed)].1.clone()).await.unwrap();
        answers[usize::from(seed)].1 = echoed;
    }
    for (seed, (before, echoed)) in answers.iter().enumerate() {
        assert!(before.iter().zip(0..).all(|(kept, seed)| *kept == noise(200_000, seed)));
        assert!(*echoed == noise(90_000, seed as u8));
        assert_eq!(before.len(), seed);
    }
}

async fn another_type_named_bytes_round_trips<S: Service>(client: VolumesClient<S>) {
    let twice = client.twice(volumes::Bytes { count: 21 }).await.unwrap();
    assert_eq!(twice, volumes::Bytes { count: 42 });
}

#[tokio::test]
async fn compressed_frames_carry_large_bytes() {
    let codec = Compressed::new(Postcard);
    let client = PicturesClient::new(crate::worker("pictures", codec).await);
    every_size_round_trips(client).await;
}

#[tokio::test]
async fn an_echoed_reply_shares_the_request_buffer() {
    // Within one process, the bytes are copied once: to join the body's pieces into one buffer.
    let local = Local::new(Gallery::default().into_service(), Postcard);
    let data = noise(100_000, 3);
    assert_eq!(PicturesClient::new(&local).echo(data.clone()).await.unwrap(), data);
    let echo = pictures::Echo { data: data.clone() };
    let request = Request::of::<pictures::Echo>(encode_body(&Postcard, &echo).unwrap());
    assert_eq!(request.body().pieces()[1].as_ptr(), data.as_ptr());
    let came = request.body().flat().unwrap().clone();
    let response = local.call(request).await.unwrap();
    let [_, reply] = response.body().pieces() else { panic!("the reply has two pieces") };
    assert!(came.as_ptr_range().contains(&reply.as_ptr()));
}

/// Middleware that decodes requests and replies, and replaces them with equal ones.
struct DecodeAndReplace;

impl Middleware for DecodeAndReplace {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        let before = request.body().as_bytes().to_vec();
        let echo = next.decode::<pictures::Echo>(&request)?;
        next.replace(&mut request, &echo)?;
        assert!(request.body().as_bytes() == before && request.body().len() == before.len());
        let mut response = next.call(request).await?;
        let reply = next.decode_reply::<pictures::Echo>(&response)?;
        assert!(reply == echo.data);
        next.replace_reply::<pictures::Echo>(&mut response, &reply)?;
        Ok(response)
    }
}

async fn decoded_and_replaced<C: Codec>(codec: C) {
    let closure = from_fn(async |mut request: Request, next: Next<'_>| {
        if request.name() == pictures::Echo::NAME {
            let echo = next.decode::<pictures::Echo>(&request)?;
            next.replace(&mut request, &echo)?;
        }
        let mut response = next.call(request).await?;
        let reply = next.decode_reply::<pictures::Echo>(&response)?;
        next.replace_reply::<pictures::Echo>(&mut response, &reply)?;
        Ok(response)
    });
    let worker = crate::worker("pictures", codec).await;
    every_size_round_trips(PicturesClient::new(worker.wrapped_by(closure).wrapped_by(DecodeAndReplace)))
        .await;
}

#[tokio::test]
async fn middleware_can_decode_and_replace_large_bytes() {
    decoded_and_replaced(Postcard).await;
    decoded_and_replaced(Cbor).await;
    decoded_and_replaced(Json).await;
    decoded_and_replaced(Compressed::new(Postcard)).await;
}

#[tokio::test]
async fn large_bytes_are_sent_again_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = noise(300_000, 4);

    let program = || crate::program("pictures", Postcard::ID);
    let builder = Worker::builder(program()).codec(Postcard).on_crash(OnCrash::retry(3));
    let client = PicturesClient::new(builder.spawn().await.unwrap());
    assert!(client.echo_the_second_time(path("worker"), data.clone()).await.unwrap() == data);

    let pool = Pool::builder(program()).codec(Postcard).workers(2).spawn().await.unwrap();
    let client = PicturesClient::new(pool);
    assert!(client.echo_the_second_time(path("pool"), data.clone()).await.unwrap() == data);
}

#[test]
fn bytes_have_the_documented_encoding() {
    fn check<C: Codec>(codec: &C, form: &[u8]) {
        let echo = pictures::Echo { data: Bytes::from_static(&[1, 200]) };
        assert_eq!(encode_body(codec, &echo).unwrap().as_bytes(), form);
        let body = form.to_vec().into();
        assert_eq!(decode_body::<_, pictures::Echo>(codec, &body).unwrap(), echo);
    }
    check(&Json, b"{\"data\":\"Acg=\"}");
    check(&Postcard, &[2, 1, 200]);
    check(&Cbor, b"\xa1\x64data\x42\x01\xc8");
}
