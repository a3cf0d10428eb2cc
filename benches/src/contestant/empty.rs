use isolated_workers::{
    Builder, Codec, Error, Layers, Middleware, NoLayers, Program, Request, Response, Service, Stack,
};

/// Does nothing.
pub struct Empty;

impl Middleware for Empty {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        next.call(request).await
    }
}

/// None or more of it.
pub trait Depth: Layers + Sized {
    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T, Self>;
}

impl Depth for NoLayers {
    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder
    }
}

impl<L: Depth> Depth for Stack<L, Empty> {
    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T, Self> {
        L::around(builder).layer(Empty)
    }
}

pub type One<L = NoLayers> = Stack<L, Empty>;
pub type Four<L = NoLayers> = One<One<One<One<L>>>>;
pub type Eight = Four<Four>;
