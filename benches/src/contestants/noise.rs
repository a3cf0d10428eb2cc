use bytes::Bytes;

use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// A contestant with bytes that do not compress.
pub struct Noise<C>(C);

/// Returns `len` bytes of a xorshift generator.
fn noise(len: usize) -> Bytes {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

impl<C: Contestant> Contestant for Noise<C> {
    fn block_on<F: Future>(runtime: &tokio::runtime::Runtime, future: F) -> F::Output {
        C::block_on(runtime, future)
    }

    async fn start(flavor: Flavor) -> Self {
        Self(C::start(flavor).await)
    }

    fn body(len: usize) -> Bytes {
        noise(len)
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.0.echo(data).await
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}
