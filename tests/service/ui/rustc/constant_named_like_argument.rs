use isolated_workers::service;

#[allow(non_upper_case_globals)]
const width: u32 = 1;

#[service]
trait Canvas {
    async fn resize(&self, width: u32);
}

fn main() {}
