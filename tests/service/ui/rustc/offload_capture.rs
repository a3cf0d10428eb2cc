use isolated_workers::codec::Postcard;
use isolated_workers::prelude::*;
use isolated_workers::offload;
use isolated_workers::pool::Dispatch;

#[offload]
fn double(n: u64) -> u64 {
    2 * n
}

async fn calls(pool: Pool, other: Pool<Dispatch<Postcard>>) -> Result<(), Error> {
    let factor = 3;
    let power = offload::closure!(&pool, |n: u64| -> u64 { n.pow(factor) });
    power(1).await?;
    double::on(&other, 1).await?;
    Ok(())
}

fn main() {}
