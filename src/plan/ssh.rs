//! `--root-ssh-authorized-keys`: a tmpfiles.d line that writes root's `authorized_keys` at first boot.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Where the line goes, in the deployment.
pub const PATH: &str = "etc/tmpfiles.d/bootc-root-ssh.conf";

/// The file's text. `root_link` is where `/root` of the image points when it is a symbolic link.
pub fn tmpfiles(keys: &[u8], root_link: Option<&str>) -> String {
    let home = root_link.unwrap_or("root").trim_start_matches('/').trim_end_matches('/');
    format!("f~ /{home}/.ssh/authorized_keys 600 root root - {}\n", STANDARD.encode(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_roots_home() {
        let line = "f~ /var/roothome/.ssh/authorized_keys 600 root root - c3NoLWVkMjU1MTkgQUEK\n";
        assert_eq!(tmpfiles(b"ssh-ed25519 AA\n", Some("var/roothome")), line);
        assert_eq!(tmpfiles(b"ssh-ed25519 AA\n", Some("/var/roothome")), line);
        let plain = "f~ /root/.ssh/authorized_keys 600 root root - YQ==\n";
        assert_eq!(tmpfiles(b"a", None), plain);
    }
}
