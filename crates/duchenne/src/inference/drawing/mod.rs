//! *Drawing*: what was found or generated, as pictures for people.

pub mod annotation;
pub mod contact_sheet;
mod lettering;
