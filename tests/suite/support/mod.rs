//! What tests stand on: servers and mounts as child processes, real tools, deadlines.

pub(crate) mod boto3;
pub(crate) mod bucket;
pub(crate) mod child;
pub(crate) mod command;
pub(crate) mod hosted;
pub(crate) mod http;
pub(crate) mod mount;
pub(crate) mod ports;
pub(crate) mod runtime;
pub(crate) mod servers;
pub(crate) mod tools;
pub(crate) mod wait;
pub(crate) mod writer;
