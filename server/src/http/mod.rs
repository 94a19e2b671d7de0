//! HTTP below the handlers: refusing malformed heads, reading bodies within bounds, and making
//! answers.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod conditional;
pub(crate) mod cors;
pub(crate) mod guard;
pub mod head;
pub(crate) mod html;
pub(crate) mod pace;
pub(crate) mod peer;
pub(crate) mod percent;
pub(crate) mod pool;
pub(crate) mod proxies;
pub(crate) mod range;
pub(crate) mod room;
