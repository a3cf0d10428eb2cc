//! Service with every kind of value in its signatures.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use isolated_workers::service;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: i32,
    pub(crate) y: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metres(pub(crate) u16);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Empty,
    Dot(Point),
    Circle(Point, u32),
    Rectangle { from: Point, to: Point },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Scene {
    Nothing,
    One(Shape),
    Many(Vec<Scene>),
    Named { name: String, shape: Option<Shape> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wrapper<T> {
    pub(crate) inner: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) value: u8,
    pub(crate) children: Vec<Tree>,
    pub(crate) last: Option<Box<Tree>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum DivideError {
    ByZero,
    Overflow { of: i64 },
    Odd(i64, String),
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByZero => f.write_str("division by zero"),
            Self::Overflow { of } => write!(f, "overflow of {of}"),
            Self::Odd(number, why) => write!(f, "{number} is odd: {why}"),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NotFound {
    pub(crate) name: String,
    pub(crate) nearest: Option<String>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no `{}`", self.name)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gone")
    }
}

/// Arguments and reply of `many`.
pub(crate) type Ten = (u8, String, bool, char, f64, Vec<u8>, Option<i16>, (u8, u8), Point, Shape);

/// Serializes bytes as hexadecimal digits, for `#[serde(with = "..")]` on an argument.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(D::Error::custom);
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}

/// Most methods return their arguments. The others change them, which shows that the worker ran.
#[service]
pub(crate) trait Shapes {
    async fn nothing(&self);
    async fn unit(&self, value: ()) -> ();
    async fn answer(&self) -> u32;
    #[allow(clippy::too_many_arguments)]
    async fn many(
        &self,
        a: u8,
        b: String,
        c: bool,
        d: char,
        e: f64,
        f: Vec<u8>,
        g: Option<i16>,
        h: (u8, u8),
        i: Point,
        j: Shape,
    ) -> Ten;

    async fn flag(&self, value: bool) -> bool;
    async fn signed(&self, a: i8, b: i16, c: i32, d: i64, e: i128) -> (i8, i16, i32, i64, i128);
    async fn unsigned(&self, a: u8, b: u16, c: u32, d: u64, e: u128) -> (u8, u16, u32, u64, u128);
    async fn sized(&self, a: isize, b: usize) -> (isize, usize);
    async fn single(&self, value: f32) -> f32;
    async fn double(&self, value: f64) -> f64;
    async fn letter(&self, value: char) -> char;
    async fn text(&self, value: String) -> String;
    async fn upper(&self, value: Cow<'static, str>) -> Cow<'static, str>;
    async fn duration(&self, value: Duration) -> Duration;

    async fn mirror(&self, value: Point) -> Point;
    async fn metres(&self, value: Metres) -> Metres;
    async fn origin(&self, value: Origin) -> Origin;
    async fn shape(&self, value: Shape) -> Shape;
    async fn scene(&self, value: Scene) -> Scene;
    async fn pair(&self, value: (u8, (String, bool))) -> ((String, bool), u8);
    async fn array(&self, value: [u16; 4]) -> [u16; 4];
    async fn maybe(&self, value: Option<u32>) -> Option<u32>;
    async fn maybe_maybe(&self, value: Option<Option<u32>>) -> Option<Option<u32>>;
    async fn list(&self, value: Vec<Point>) -> Vec<Point>;
    async fn bytes(&self, value: Vec<u8>) -> Vec<u8>;
    async fn sorted(&self, value: BTreeMap<String, Point>) -> BTreeMap<String, Point>;
    async fn hashed(&self, value: HashMap<u64, Vec<String>>) -> HashMap<u64, Vec<String>>;
    async fn wrapped(&self, value: Wrapper<Wrapper<Option<String>>>) -> Wrapper<Vec<Wrapper<()>>>;
    async fn boxed(&self, value: Box<Tree>) -> Box<Tree>;
    async fn failed(&self, value: Result<u8, String>) -> bool;

    async fn from_hex(&self, #[serde(with = "hex")] value: Vec<u8>) -> Vec<u8>;
    async fn repeat(&self, #[serde(rename = "type")] kind: String, #[serde(default)] times: usize) -> String;

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
    async fn find(&self, name: String) -> Result<Point, NotFound>;
    async fn parse(&self, digits: String) -> Result<i64, String>;
    async fn depart(&self, really: bool) -> Result<(), Gone>;
    async fn twice(&self, inner: bool, outer: bool) -> Result<Result<u8, String>, Gone>;

    /// Its wire name has characters that need escaping.
    #[message(name = "\"näme\"\\\n Result")]
    async fn oddly_named(&self, value: u8) -> Result<u8, String>;

    #[message(oneway)]
    async fn note(&self, text: String);
    #[message(oneway)]
    async fn mark(&self);
    /// Returns the notes when there are at least `count`.
    async fn notes(&self, count: usize) -> Vec<String>;
}

#[derive(Default)]
pub(crate) struct Solid {
    notes: Mutex<Vec<String>>,
    noted: Notify,
}

impl Solid {
    fn add(&self, note: String) {
        self.notes.lock().unwrap().push(note);
        self.noted.notify_waiters();
    }
}

impl Shapes for Solid {
    async fn nothing(&self) {}
    async fn unit(&self, (): ()) {}
    async fn answer(&self) -> u32 {
        42
    }
    async fn many(
        &self,
        a: u8,
        b: String,
        c: bool,
        d: char,
        e: f64,
        f: Vec<u8>,
        g: Option<i16>,
        h: (u8, u8),
        i: Point,
        j: Shape,
    ) -> Ten {
        (a, b, c, d, e, f, g, h, i, j)
    }

    async fn flag(&self, value: bool) -> bool {
        !value
    }
    async fn signed(&self, a: i8, b: i16, c: i32, d: i64, e: i128) -> (i8, i16, i32, i64, i128) {
        (a, b, c, d, e)
    }
    async fn unsigned(&self, a: u8, b: u16, c: u32, d: u64, e: u128) -> (u8, u16, u32, u64, u128) {
        (a, b, c, d, e)
    }
    async fn sized(&self, a: isize, b: usize) -> (isize, usize) {
        (a, b)
    }
    async fn single(&self, value: f32) -> f32 {
        value
    }
    async fn double(&self, value: f64) -> f64 {
        value
    }
    async fn letter(&self, value: char) -> char {
        value
    }
    async fn text(&self, value: String) -> String {
        value
    }
    async fn upper(&self, value: Cow<'static, str>) -> Cow<'static, str> {
        value.to_uppercase().into()
    }
    async fn duration(&self, value: Duration) -> Duration {
        value
    }

    async fn mirror(&self, Point { x, y }: Point) -> Point {
        Point { x: y, y: x }
    }
    async fn metres(&self, value: Metres) -> Metres {
        value
    }
    async fn origin(&self, value: Origin) -> Origin {
        value
    }
    async fn shape(&self, value: Shape) -> Shape {
        value
    }
    async fn scene(&self, value: Scene) -> Scene {
        value
    }
    async fn pair(&self, (a, b): (u8, (String, bool))) -> ((String, bool), u8) {
        (b, a)
    }
    async fn array(&self, mut value: [u16; 4]) -> [u16; 4] {
        value.reverse();
        value
    }
    async fn maybe(&self, value: Option<u32>) -> Option<u32> {
        value
    }
    async fn maybe_maybe(&self, value: Option<Option<u32>>) -> Option<Option<u32>> {
        value
    }
    async fn list(&self, value: Vec<Point>) -> Vec<Point> {
        value
    }
    async fn bytes(&self, value: Vec<u8>) -> Vec<u8> {
        value
    }
    async fn sorted(&self, value: BTreeMap<String, Point>) -> BTreeMap<String, Point> {
        value
    }
    async fn hashed(&self, value: HashMap<u64, Vec<String>>) -> HashMap<u64, Vec<String>> {
        value
    }
    async fn wrapped(&self, value: Wrapper<Wrapper<Option<String>>>) -> Wrapper<Vec<Wrapper<()>>> {
        let letters = value.inner.inner.unwrap_or_default().chars().count();
        Wrapper { inner: vec![Wrapper { inner: () }; letters] }
    }
    async fn boxed(&self, value: Box<Tree>) -> Box<Tree> {
        value
    }
    async fn failed(&self, value: Result<u8, String>) -> bool {
        value.is_err()
    }

    async fn from_hex(&self, value: Vec<u8>) -> Vec<u8> {
        value
    }
    async fn repeat(&self, kind: String, times: usize) -> String {
        kind.repeat(times)
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError> {
        match (a, b) {
            (_, 0) => Err(DivideError::ByZero),
            (_, 2) if a % 2 != 0 => Err(DivideError::Odd(a, "\"it\" is".into())),
            _ => a.checked_div(b).ok_or(DivideError::Overflow { of: a }),
        }
    }
    async fn find(&self, name: String) -> Result<Point, NotFound> {
        Err(NotFound { nearest: Some(format!("{name}s")), name })
    }
    async fn parse(&self, digits: String) -> Result<i64, String> {
        digits.parse().map_err(|error: std::num::ParseIntError| error.to_string())
    }
    async fn depart(&self, really: bool) -> Result<(), Gone> {
        if really { Err(Gone) } else { Ok(()) }
    }
    async fn twice(&self, inner: bool, outer: bool) -> Result<Result<u8, String>, Gone> {
        match (inner, outer) {
            (_, true) => Err(Gone),
            (true, _) => Ok(Err("inner".into())),
            _ => Ok(Ok(1)),
        }
    }

    async fn oddly_named(&self, value: u8) -> Result<u8, String> {
        value.checked_add(1).ok_or_else(|| "too much".to_owned())
    }

    async fn note(&self, text: String) {
        self.add(text);
    }
    async fn mark(&self) {
        self.add("mark".into());
    }
    async fn notes(&self, count: usize) -> Vec<String> {
        loop {
            let noted = self.noted.notified();
            {
                let notes = self.notes.lock().unwrap();
                if notes.len() >= count {
                    return notes.clone();
                }
            }
            noted.await;
        }
    }
}
