//! The listening sockets of a supervisor, handed to the one that replaces it (`SCM_RIGHTS`, unix(7)): they stay open all
//! the time, and who connects while nobody takes connections waits in their queues instead of being refused.
//!
//! What is handed over is another number for the same socket, so that it costs nothing when it comes to nothing. Nothing
//! here decides who replaces whom.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::FdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::platform::Result;

use super::address;

/// Room for one socket beside the byte that carries it.
const ROOM: usize = rustix::cmsg_space!(ScmRights(1));

/// The sockets that were handed to this supervisor, by port; none when it replaced nobody.
#[derive(Debug, Default)]
pub(super) struct Handed(Mutex<BTreeMap<u16, TcpListener>>);

impl Handed {
    /// Of what came over the control socket. What listens elsewhere than this supervisor would is closed.
    pub(super) fn new(sockets: Vec<OwnedFd>) -> Self {
        let listeners = sockets.into_iter().filter_map(|socket| {
            let listener = TcpListener::from(socket);
            let address = listener.local_addr().ok()?;
            let own = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
            (address == own).then_some((address.port(), listener))
        });
        Self(Mutex::new(listeners.collect()))
    }

    /// What listens on a port already, or else the port, bound.
    pub(super) fn take_or_bind(&self, port: u16) -> Result<TcpListener> {
        let handed = {
            let mut handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            handed.remove(&port)
        };
        handed.map_or_else(|| address::bind(port), Ok)
    }

    /// Closes what nobody took: a port that is not kept any more.
    pub(super) fn close_rest(&self) {
        let mut handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handed.clear();
    }
}

/// Hands one socket over.
pub(super) async fn give(stream: &UnixStream, socket: &OwnedFd) -> io::Result<()> {
    stream
        .async_io(Interest::WRITABLE, || {
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut beside = SendAncillaryBuffer::new(&mut room);
            let sockets = [socket.as_fd()];
            if !beside.push(SendAncillaryMessage::ScmRights(&sockets)) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let byte = [IoSlice::new(&[0])];
            let sent = rustix::net::sendmsg(stream, &byte, &mut beside, SendFlags::empty())?;
            // A stream carries what is beside a byte with that byte.
            (sent == 1)
                .then_some(())
                .ok_or_else(|| io::ErrorKind::WriteZero.into())
        })
        .await
}

/// Takes one socket that is handed over.
pub(super) async fn take(stream: &UnixStream) -> io::Result<OwnedFd> {
    let socket = stream
        .async_io(Interest::READABLE, || {
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut beside = RecvAncillaryBuffer::new(&mut room);
            let mut byte = [0];
            let mut byte = [IoSliceMut::new(&mut byte)];
            rustix::net::recvmsg(stream, &mut byte, &mut beside, RecvFlags::empty())?;
            let mut sockets = beside.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            });
            sockets
                .next()
                .and_then(|mut sockets| sockets.next())
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        })
        .await?;
    // No service inherits it. There is none yet that could have in between.
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_is_handed_over_takes_who_connected_before() {
        let listener = address::bind(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let elsewhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let other = elsewhere.local_addr().unwrap().port();
        let (here, there) = UnixStream::pair().unwrap();
        let mut taken = Vec::new();
        for socket in [OwnedFd::from(listener), OwnedFd::from(elsewhere)] {
            give(&here, &socket).await.unwrap();
            drop(socket);
            taken.push(take(&there).await.unwrap());
        }
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let handed = Handed::new(taken);
        let listener = handed.take_or_bind(port).unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        let own = handed.take_or_bind(other).unwrap();
        assert_eq!(
            own.local_addr().unwrap().to_string(),
            format!("127.0.0.1:{other}")
        );
        drop(here);
        let closed = take(&there).await.unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_nobody_took_is_closed() {
        let listener = address::bind(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let handed = Handed::new(vec![OwnedFd::from(listener)]);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        handed.close_rest();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
