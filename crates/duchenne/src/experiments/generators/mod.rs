//! *Generators*: their training by class, the faces they draw, and the judgement of those faces.

pub mod comparison;
pub mod judgement;
pub mod samples;
pub mod training;
