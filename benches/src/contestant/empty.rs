use isolated_workers::{
    Builder, Codec, Error, Layers, Middleware, NoLayers, Platform, Program, Request, Response, Service, Stack,
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
    fn around<C: Codec>(builder: Builder<Program, C>) -> Builder<Program, C, Platform, Self>;
}

impl Depth for NoLayers {
    fn around<C: Codec>(builder: Builder<Program, C>) -> Builder<Program, C> {
        builder
    }
}

impl<L: Depth> Depth for Stack<L, Empty> {
    fn around<C: Codec>(builder: Builder<Program, C>) -> Builder<Program, C, Platform, Self> {
        L::around(builder).layer(Empty)
    }
}

pub type One<L = NoLayers> = Stack<L, Empty>;
pub type Four<L = NoLayers> = One<One<One<One<L>>>>;
pub type Eight = Four<Four>;
