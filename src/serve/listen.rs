//! The listening socket of a network address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcpListener};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::TcpListener;

/// What the kernel keeps for each client that asks and does not take its answer counts as this process's memory in its control group
/// (`Documentation/admin-guide/cgroup-v2.rst`, "sock"), and grows to megabytes unless it is bounded (tcp(7), `tcp_wmem`). The kernel doubles
/// the value for its own bookkeeping (socket(7), `SO_SNDBUF`), and connections have it from the socket that listens.
const MOST_IN_KERNEL: usize = 64 << 10;

/// Listens on `address`. All addresses of both families are those of IPv4 where the kernel has no IPv6.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdTcpListener::bind(address).or_else(|error| match without_ipv6(address, &error) {
        Some(address) => StdTcpListener::bind(address),
        None => Err(error),
    })?;
    set_socket_send_buffer_size(&listener, MOST_IN_KERNEL)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The address in the place of one that failed for want of IPv6 and meant all addresses.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_missing = matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    );
    (is_missing && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .then(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    use rustix::net::sockopt::socket_send_buffer_size;

    #[tokio::test]
    async fn the_kernel_keeps_little_for_who_does_not_take_his_answer() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().await.unwrap();
        assert!(socket_send_buffer_size(&connection).unwrap() <= 2 * MOST_IN_KERNEL);
    }

    #[test]
    fn without_ipv6_all_addresses_are_those_of_ipv4() {
        let [no_family, taken] = [Errno::AFNOSUPPORT, Errno::ADDRINUSE]
            .map(|error| io::Error::from_raw_os_error(error.raw_os_error()));
        let all = "[::]:9753".parse().unwrap();
        assert_eq!(
            without_ipv6(all, &no_family),
            Some("0.0.0.0:9753".parse().unwrap())
        );
        assert_eq!(without_ipv6(all, &taken), None);
        assert_eq!(without_ipv6("[::1]:9753".parse().unwrap(), &no_family), None);
    }
}
