//! A connection that does something of its own with each command.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

#[derive(Clone)]
pub(crate) struct Through {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) send: fn(MultiplexedConnection, Cmd) -> RedisFuture<'static, Value>,
}

impl ConnectionLike for Through {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        (self.send)(self.connection.clone(), command.clone())
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
