use isolated_workers::service;

#[service]
trait Options {
    async fn two(&self, first: Streaming<u64>, second: Streaming<String>) -> u64;
    async fn starts_before_it_is_polled(&self) -> impl Stream<Item = u64>;
    fn not_async(&self, numbers: Streaming<u64>) -> u64;
    #[message(oneway)]
    async fn oneway(&self, numbers: Streaming<u64>);
    #[message(oneway)]
    fn oneway_reply(&self) -> impl Stream<Item = u64>;
    #[message(blocking)]
    fn blocking(&self, numbers: Streaming<u64>) -> u64;
    #[message(blocking)]
    fn blocking_reply(&self) -> impl Stream<Item = u64>;
    #[message(retry = 3)]
    async fn retried(&self, numbers: Streaming<u64>) -> u64;
}

#[service]
trait Types {
    async fn borrowed(&self, numbers: &Streaming<u64>) -> u64;
    async fn borrowed_mutably(&self, numbers: &mut Streaming<u64>) -> u64;
    async fn mutable(&self, mut numbers: Streaming<u64>) -> u64;
    async fn borrowed_item(&self, names: Streaming<&str>) -> u64;
    fn reply_without_item(&self) -> impl Stream;
    fn borrowed_reply_item(&self) -> impl Stream<Item = &str>;
    fn several(&self) -> Vec<impl Stream<Item = u64>>;
    fn fallible(&self) -> Result<impl Stream<Item = u64>, String>;
    async fn argument(&self, numbers: impl Stream<Item = u64>) -> u64;
    fn of_streams(&self) -> impl Stream<Item = impl Stream<Item = u64>>;
}

fn main() {}
