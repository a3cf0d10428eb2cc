//! Services with streams whose names are those of the generated code, and such that macros define.

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use isolated_workers::codec::Json;
use isolated_workers::service::Local;

/// Methods, arguments and types named like the generated ones, and like the types of streams.
mod names {
    use futures_util::{Stream, StreamExt, stream};
    use isolated_workers::service;
    use isolated_workers::service::{Context, Streaming};
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Item(pub(crate) u8);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Items(pub(crate) Vec<Item>);

    #[service]
    pub(crate) trait Names {
        /// Arguments named like variables of the generated code.
        fn stream(&self, stream: Streaming<u8>, items: u8, out: u8) -> impl Stream<Item = u8>;
        fn out(&self, out: Streaming<u8>, codec: u8, request: u8, answer: u8) -> impl Stream<Item = u8>;
        async fn items(&self, codec: u8, items: Streaming<Items>, request: u8) -> Items;
        fn item(&self, item: Item) -> impl Stream<Item = Result<Item, String>>;
        async fn streaming(&self, service: Streaming<Item>, context: u8, message: u8) -> usize;
        fn context(&self, context: Context, run: Streaming<Item>, name: u8) -> impl Stream<Item = Items>;
        fn next(&self) -> impl Stream<Item = ()>;
        fn poll_next(&self, r#type: Streaming<()>) -> impl Stream<Item = ()>;
    }

    /// Type parameters of the generated code.
    #[service]
    pub(crate) trait T {
        fn c(&self, t: Streaming<u8>) -> impl Stream<Item = Vec<u8>>;
        async fn s(&self, c: Streaming<Vec<u8>>, service: u8) -> usize;
    }

    pub(crate) struct Implementation;

    impl Names for Implementation {
        fn stream(&self, stream: Streaming<u8>, items: u8, out: u8) -> impl Stream<Item = u8> {
            stream.map(move |item| item.unwrap() + items + out)
        }
        fn out(&self, out: Streaming<u8>, codec: u8, request: u8, answer: u8) -> impl Stream<Item = u8> {
            out.map(move |item| item.unwrap() + codec + request + answer)
        }
        async fn items(&self, codec: u8, items: Streaming<Items>, request: u8) -> Items {
            let items: Vec<_> = items.map(Result::unwrap).collect().await;
            let own = [Item(codec), Item(request)];
            Items(own.into_iter().chain(items.into_iter().flat_map(|Items(items)| items)).collect())
        }
        fn item(&self, item: Item) -> impl Stream<Item = Result<Item, String>> {
            stream::iter([Ok(item), Err("the end".into())])
        }
        async fn streaming(&self, service: Streaming<Item>, context: u8, message: u8) -> usize {
            service.count().await + usize::from(context + message)
        }
        fn context(&self, context: Context, run: Streaming<Item>, name: u8) -> impl Stream<Item = Items> {
            assert_eq!(context.name(), "context");
            run.map(move |item| Items(vec![item.unwrap(), Item(name)]))
        }
        fn next(&self) -> impl Stream<Item = ()> {
            stream::iter([(), ()])
        }
        fn poll_next(&self, r#type: Streaming<()>) -> impl Stream<Item = ()> {
            r#type.map(Result::unwrap)
        }
    }

    impl T for Implementation {
        fn c(&self, t: Streaming<u8>) -> impl Stream<Item = Vec<u8>> {
            t.map(|item| vec![item.unwrap()])
        }
        async fn s(&self, c: Streaming<Vec<u8>>, service: u8) -> usize {
            c.count().await + usize::from(service)
        }
    }
}

async fn collected<T>(items: impl Stream<Item = Result<T, isolated_workers::Error>>) -> Vec<T> {
    items.try_collect().await.unwrap()
}

#[tokio::test]
async fn names_of_streams_do_not_collide_with_generated_ones() {
    use names::{Implementation, Item, Items, Names, NamesClient};
    let client = NamesClient::new(Local::new(Names::into_service(Implementation), Json));
    let three = || stream::iter([1, 2, 3]);
    assert_eq!(collected(client.stream(three(), 10, 20)).await, [31, 32, 33]);
    assert_eq!(collected(client.out(three(), 1, 2, 3)).await, [7, 8, 9]);
    let items = stream::iter([Items(vec![Item(1), Item(2)]), Items(vec![])]);
    let expected = Items(vec![Item(8), Item(9), Item(1), Item(2)]);
    assert_eq!(client.items(8, items, 9).await.unwrap(), expected);
    let mut item = client.item(Item(1));
    assert_eq!(item.next().await.unwrap().unwrap(), Item(1));
    assert_eq!(item.next().await.unwrap().unwrap_err().service().unwrap(), "the end");
    assert_eq!(client.streaming(stream::iter([Item(1)]), 2, 3).await.unwrap(), 6);
    let answers = collected(client.context(stream::iter([Item(1)]), 2)).await;
    assert_eq!(answers, [Items(vec![Item(1), Item(2)])]);
    assert_eq!(collected(client.next()).await.len(), 2);
    assert_eq!(collected(client.poll_next(stream::iter([(); 3]))).await.len(), 3);
}

#[tokio::test]
async fn services_with_streams_may_have_the_names_of_type_parameters() {
    use names::{Implementation, T, TClient};
    let client = TClient::new(Local::new(T::into_service(Implementation), Json));
    assert_eq!(collected(client.c(stream::iter([1, 2]))).await, [[1], [2]]);
    assert_eq!(client.s(stream::iter([vec![], vec![]]), 1).await.unwrap(), 3);
}

/// Services that a macro declares.
mod macros {
    use futures_util::{Stream, StreamExt, stream};
    use isolated_workers::service;
    use isolated_workers::service::Streaming;

    macro_rules! declare {
        ($service:ident, $item:ty, $items:ty, $reply:ty, $method:ident, $argument:ident) => {
            #[service]
            pub(crate) trait $service {
                fn $method(&self, $argument: Streaming<$item>, items: u8) -> impl Stream<Item = $item>;
                fn fails(&self, out: $item) -> impl Stream<Item = Result<$item, String>>;
                async fn count(&self, $argument: $items, out: $item) -> usize;
                fn repeat(&self, $argument: $item, items: usize) -> $reply;
            }

            impl $service for Machine {
                fn $method(&self, $argument: Streaming<$item>, items: u8) -> impl Stream<Item = $item> {
                    $argument.take(items.into()).map(Result::unwrap)
                }
                fn fails(&self, out: $item) -> impl Stream<Item = Result<$item, String>> {
                    stream::iter([Ok(out), Err("the end".into())])
                }
                async fn count(&self, $argument: $items, _: $item) -> usize {
                    $argument.count().await
                }
                fn repeat(&self, $argument: $item, items: usize) -> $reply {
                    stream::repeat($argument).take(items)
                }
            }
        };
    }

    pub(crate) struct Machine;

    declare!(Texts, String, Streaming<String>, impl Stream<Item = String>, stream, codec);
    declare!(Numbers, u8, Streaming<u8>, impl Stream<Item = u8>, pass, request);
}

#[tokio::test]
async fn macros_may_declare_services_with_streams() {
    use macros::{Machine, Numbers, NumbersClient, Texts, TextsClient};
    let client = TextsClient::new(Local::new(Texts::into_service(Machine), Json));
    let texts = || stream::iter(["a", "b", "c"]).map(String::from);
    assert_eq!(collected(client.stream(texts(), 2)).await, ["a", "b"]);
    assert_eq!(client.count(texts(), "d".into()).await.unwrap(), 3);
    assert_eq!(collected(client.repeat("x".into(), 2)).await, ["x", "x"]);
    let mut fails = client.fails("x".into());
    assert_eq!(fails.next().await.unwrap().unwrap(), "x");
    assert_eq!(fails.next().await.unwrap().unwrap_err().service().unwrap(), "the end");
    let client = NumbersClient::new(Local::new(Numbers::into_service(Machine), Json));
    assert_eq!(collected(client.pass(stream::iter([1, 2, 3]), 9)).await, [1, 2, 3]);
    assert_eq!(collected(client.repeat(7, 3)).await, [7, 7, 7]);
}
