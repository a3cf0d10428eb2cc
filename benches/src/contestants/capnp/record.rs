//! The record as a struct, written as the generator would write it.

use capnp::private::layout::{PointerBuilder, PointerReader, StructBuilder, StructReader, StructSize};
use capnp::traits::{FromPointerBuilder, FromPointerReader};
use capnp::{Result, Word, text_list};

use crate::service::Record;

/// Sections of the struct. Fields of the data section are named by their place in units of their
/// own size, as in the setters.
const SIZE: StructSize = StructSize { data: 6, pointers: 3 };
const ID: usize = 0;
const BALANCE: usize = 1;
const RATING: usize = 2;
const REFERRER: usize = 3;
const POSITION: usize = 8;
const AGE: usize = 40;
const IS_ACTIVE: usize = 41 * 8;
const HAS_REFERRER: usize = 41 * 8 + 1;
const NAME: usize = 0;
const CITY: usize = 1;
const TAGS: usize = 2;

pub struct RecordBuilder<'a>(StructBuilder<'a>);

impl<'a> FromPointerBuilder<'a> for RecordBuilder<'a> {
    fn init_pointer(builder: PointerBuilder<'a>, _: u32) -> Self {
        Self(builder.init_struct(SIZE))
    }

    fn get_from_pointer(builder: PointerBuilder<'a>, default: Option<&'a [Word]>) -> Result<Self> {
        builder.get_struct(SIZE, default).map(Self)
    }
}

impl RecordBuilder<'_> {
    pub fn set(mut self, record: &Record) {
        self.0.set_data_field(ID, record.id);
        self.0.set_data_field(BALANCE, record.balance);
        self.0.set_data_field(RATING, record.rating);
        self.0.set_data_field(REFERRER, record.referrer.unwrap_or(0));
        self.0.set_bool_field(HAS_REFERRER, record.referrer.is_some());
        self.0.set_data_field(POSITION, record.position.0);
        self.0.set_data_field(POSITION + 1, record.position.1);
        self.0.set_data_field(AGE, record.age);
        self.0.set_bool_field(IS_ACTIVE, record.is_active);
        self.0.reborrow().get_pointer_field(NAME).set_text(record.name.as_str().into());
        self.0.reborrow().get_pointer_field(CITY).set_text(record.city.as_str().into());
        let tags = self.0.get_pointer_field(TAGS);
        let mut tags = text_list::Builder::init_pointer(tags, record.tags.len() as u32);
        for (at, tag) in (0..).zip(&record.tags) {
            tags.set(at, tag);
        }
    }
}

pub struct RecordReader<'a>(StructReader<'a>);

impl<'a> FromPointerReader<'a> for RecordReader<'a> {
    fn get_from_pointer(reader: &PointerReader<'a>, default: Option<&'a [Word]>) -> Result<Self> {
        reader.get_struct(default).map(Self)
    }
}

impl RecordReader<'_> {
    pub fn get(&self) -> Result<Record> {
        let text = |at| Ok::<_, capnp::Error>(self.0.get_pointer_field(at).get_text(None)?.to_string()?);
        let tags = text_list::Reader::get_from_pointer(&self.0.get_pointer_field(TAGS), None)?;
        Ok(Record {
            id: self.0.get_data_field(ID),
            name: text(NAME)?,
            city: text(CITY)?,
            is_active: self.0.get_bool_field(IS_ACTIVE),
            age: self.0.get_data_field(AGE),
            balance: self.0.get_data_field(BALANCE),
            rating: self.0.get_data_field(RATING),
            tags: tags.iter().map(|tag| Ok(tag?.to_string()?)).collect::<Result<_>>()?,
            referrer: self.0.get_bool_field(HAS_REFERRER).then(|| self.0.get_data_field(REFERRER)),
            position: (self.0.get_data_field(POSITION), self.0.get_data_field(POSITION + 1)),
        })
    }
}
