//! What may be a handler: plain closures over serde types.
//!
//! The traits here are implemented for closures and are not meant to be implemented by hand. Their
//! parameter `M` only tells the kinds of closures apart and is inferred.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use super::binding::Bound;
use super::binding::check;
use super::context::{Context, Sink};
use super::params::Params;
use crate::error::{Error, Result};
use crate::wire::codec;

/// Encoded items.
pub type Encoded = Box<dyn Iterator<Item = Result<Vec<u8>>> + Send>;

/// Marks what cannot fail.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plain;

/// Marks a [`Result`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Fallible;

/// What a handler may answer with: a serde value, or a `Result<T, mesh_core::Error>` of one.
pub trait Reply<M> {
    #[doc(hidden)]
    fn encode(self) -> Result<Vec<u8>>;
}

impl<T: Serialize> Reply<Plain> for T {
    fn encode(self) -> Result<Vec<u8>> {
        codec::encode(&self)
    }
}

impl<T: Serialize> Reply<Fallible> for Result<T, Error> {
    fn encode(self) -> Result<Vec<u8>> {
        codec::encode(&self?)
    }
}

/// What a stream handler may answer with: an iterator of replies, or a `Result` of one.
pub trait Items<M> {
    #[doc(hidden)]
    fn encoded(self) -> Result<Encoded>;
}

impl<I, M: 'static> Items<(Plain, M)> for I
where
    I: Iterator + Send + 'static,
    I::Item: Reply<M>,
{
    fn encoded(self) -> Result<Encoded> {
        Ok(Box::new(self.map(Reply::encode)))
    }
}

impl<I, M: 'static> Items<(Fallible, M)> for Result<I, Error>
where
    I: Iterator + Send + 'static,
    I::Item: Reply<M>,
{
    fn encoded(self) -> Result<Encoded> {
        Ok(Box::new(self?.map(Reply::encode)))
    }
}

/// A closure that answers with one value: `|| R`, `|args: A| R`, `|context: &Context| R` or
/// `|context: &Context, args: A| R`.
pub trait Handler<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn check(params: &Params) -> Result<()>;
    #[doc(hidden)]
    fn answer(&self, context: &Context, bound: &Bound<'_>) -> Result<Vec<u8>>;
}

impl<F, R, M> Handler<(fn() -> R, M)> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Reply<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<()>(params)
    }

    fn answer(&self, _: &Context, bound: &Bound<'_>) -> Result<Vec<u8>> {
        bound.read::<()>()?;
        self().encode()
    }
}

impl<F, A, R, M> Handler<(fn(A) -> R, M)> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
    A: DeserializeOwned,
    R: Reply<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<A>(params)
    }

    fn answer(&self, _: &Context, bound: &Bound<'_>) -> Result<Vec<u8>> {
        self(bound.read()?).encode()
    }
}

impl<F, A, R, M> Handler<(fn(&Context, A) -> R, M)> for F
where
    F: Fn(&Context, A) -> R + Send + Sync + 'static,
    A: DeserializeOwned,
    R: Reply<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<A>(params)
    }

    fn answer(&self, context: &Context, bound: &Bound<'_>) -> Result<Vec<u8>> {
        self(context, bound.read()?).encode()
    }
}

impl<F, R, M> Handler<(fn(&Context) -> R, M)> for F
where
    F: Fn(&Context) -> R + Send + Sync + 'static,
    R: Reply<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<()>(params)
    }

    fn answer(&self, context: &Context, bound: &Bound<'_>) -> Result<Vec<u8>> {
        bound.read::<()>()?;
        self(context).encode()
    }
}

/// How a stream handler goes on after it was called.
#[non_exhaustive]
pub enum Produced {
    /// These items follow.
    Items(Encoded),
    /// All items were put into the sink.
    Done,
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Produced::Items(_) => "Items",
            Produced::Done => "Done",
        })
    }
}

/// A closure that answers with a stream: one that returns an iterator (`|| I`, `|args: A| I`,
/// `|context: &Context, args: A| I`), or one that puts items into a sink and returns when it is
/// done or cancelled (`|sink: &Sink, args: A| Result<()>`). An iterator holds no thread while its
/// reader is slow; prefer it.
pub trait StreamHandler<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn check(params: &Params) -> Result<()>;
    #[doc(hidden)]
    fn produce(&self, sink: &Sink, bound: &Bound<'_>) -> Result<Produced>;
}

impl<F, I, M> StreamHandler<(fn() -> I, M)> for F
where
    F: Fn() -> I + Send + Sync + 'static,
    I: Items<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<()>(params)
    }

    fn produce(&self, _: &Sink, bound: &Bound<'_>) -> Result<Produced> {
        bound.read::<()>()?;
        self().encoded().map(Produced::Items)
    }
}

impl<F, A, I, M> StreamHandler<(fn(A) -> I, M)> for F
where
    F: Fn(A) -> I + Send + Sync + 'static,
    A: DeserializeOwned,
    I: Items<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<A>(params)
    }

    fn produce(&self, _: &Sink, bound: &Bound<'_>) -> Result<Produced> {
        self(bound.read()?).encoded().map(Produced::Items)
    }
}

impl<F, A, I, M> StreamHandler<(fn(&Context, A) -> I, M)> for F
where
    F: Fn(&Context, A) -> I + Send + Sync + 'static,
    A: DeserializeOwned,
    I: Items<M>,
{
    fn check(params: &Params) -> Result<()> {
        check::<A>(params)
    }

    fn produce(&self, sink: &Sink, bound: &Bound<'_>) -> Result<Produced> {
        self(sink, bound.read()?).encoded().map(Produced::Items)
    }
}

impl<F, A> StreamHandler<fn(&Sink, A)> for F
where
    F: Fn(&Sink, A) -> Result<()> + Send + Sync + 'static,
    A: DeserializeOwned,
{
    fn check(params: &Params) -> Result<()> {
        check::<A>(params)
    }

    fn produce(&self, sink: &Sink, bound: &Bound<'_>) -> Result<Produced> {
        self(sink, bound.read()?)?;
        Ok(Produced::Done)
    }
}
