use std::rc::Rc;
use std::sync::Mutex;

use isolated_workers::{Error, offload};

struct Scene;

#[offload]
fn render(scene: Scene, size: u32) -> Vec<u8> {
    let _ = (scene, size);
    Vec::new()
}

#[offload]
fn load() -> Scene {
    Scene
}

#[offload]
async fn shared(count: Rc<u8>) -> Result<u8, Scene> {
    Ok(*count)
}

#[offload]
fn locked(count: Mutex<u8>) {
    drop(count);
}

fn calls(text: &str) -> Result<(), Error> {
    render::blocking(Scene)?;
    load::blocking(text)?;
    Ok(())
}

fn main() {}
