use isolated_workers::offload;

struct Config {
    factor: u64,
}

fn main() {
    let (pool, config, offset, limits) = ((), Config { factor: 2 }, 1, [1, 2]);
    let _ = offload::closure!(pool, |n: u64| -> u64 { n * config.factor + offset });
    let _ = offload::closure!(pool, |n: usize| -> u64 {
        let limit = &limits;
        limit[n]
    });
    let _ = offload::closure!(pool, move |n: u64| -> u64 { n });
    let _ = offload::closure!(pool, |n| n + 1);
    let _ = offload::closure!(|n: u64| -> u64 { n });
}
