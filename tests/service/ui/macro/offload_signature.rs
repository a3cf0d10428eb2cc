use isolated_workers::offload;

#[offload]
fn largest<T: Ord>(values: Vec<T>) -> Option<T> {
    values.into_iter().max()
}

#[offload]
fn length(text: impl AsRef<str>) -> usize {
    text.as_ref().len()
}

#[offload]
fn borrowed(text: &str, numbers: &mut [u8]) -> usize {
    text.len() + numbers.len()
}

struct Counter(u64);

impl Counter {
    #[offload]
    fn count(&self) -> u64 {
        self.0
    }
}

#[offload(workers = 3)]
unsafe fn raw(address: *const u8) -> std::io::Result<u8> {
    Ok(unsafe { *address })
}

#[offload]
fn numbers() -> impl Iterator<Item = u8> {
    0..3
}

#[offload]
fn very_many(
    _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, #[cfg(unix)] _: u8,
) {
}

#[offload]
struct NotAFunction;

fn main() {
    largest(vec![1]);
    length("");
    borrowed("", &mut []);
    Counter(1).count();
}
