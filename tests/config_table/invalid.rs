//! Wrong blueprints, and what is said about them: one line for each problem, in order of the file.
//! A `…` stands for anything.

pub type Row = (&'static str, &'static [&'static str]);

pub const ROWS: &[Row] = &[
    // Syntax.
    ("a = ", &["line 1 column 5: …"]),
    ("{\"name\": \"x\"} {}", &["line 1 column 15: trailing characters"]),
    ("{\"name\": \"x\", \"name\": \"y\"}", &["line 1 column …: `name` is here a second time"]),
    ("name = \"a\"\nname = \"b\"\n", &["line 2 column 1: duplicate key"]),
    (
        "[[customizations.files]]\npath = \"/etc/a\"\nmode = 0644\n",
        &["line 3 column 8: a number cannot begin with 0: an octal mode is a string, `\"0644\"`"],
    ),
    // Unknown keys.
    (
        "[customisations]\n",
        &["line 1 column 2: `customisations`: unknown key; did you mean `customizations`?"],
    ),
    (
        "[[user]]\nname = \"a\"\n",
        &["line 1 column 3: `user`: unknown key; did you mean `customizations.user`?"],
    ),
    (
        "\n[customizations]\nhostnam = \"a\"\n",
        &["line 3 column 1: `customizations.hostnam`: unknown key; did you mean `hostname`?"],
    ),
    (
        "[[customizations.users]]\n",
        &["line 1 column 18: `customizations.users`: unknown key; did you mean `user`?"],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\npasswd = \"x\"\nzzz = 1\n",
        &[
            "line 3 column 1: `customizations.user[0].passwd`: unknown key; did you mean `password`?",
            "line 4 column 1: `customizations.user[0].zzz`: unknown key",
        ],
    ),
    (
        "[customizations.kernel]\n\"app end\" = \"x\"\n",
        &[
            "line 2 column 1: `customizations.kernel.\"app end\"`: unknown key; did you mean `append`?",
        ],
    ),
    (
        "{\"customizations\": {\n \"disk\": {\"min-size\": 1}}}",
        &["line 2 column …: `customizations.disk.min-size`: unknown key; did you mean `minsize`?"],
    ),
    (
        "{\"blueprint\": {\"nam\": \"x\"}}",
        &["line 1 column 23: `blueprint.nam`: unknown key; did you mean `name`?"],
    ),
    ("{\"blueprint\": {}, \"name\": \"x\"}", &["line 1 column …: `blueprint`: unknown key"]),
    // Types.
    (
        "customizations = 1\n",
        &["line 1 column 1: `customizations`: expected a table, found a number"],
    ),
    (
        "[customizations]\nhostname = 7\n",
        &["line 2 column 1: `customizations.hostname`: expected a string, found a number"],
    ),
    (
        "[customizations.user]\nname = \"a\"\n",
        &[
            "line 1 column 17: `customizations.user`: expected a list of tables, `[[customizations.user]]`, found a table",
        ],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\nuid = \"7\"\n",
        &["line 3 column 1: `customizations.user[0].uid`: expected a whole number, found a string"],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\ngroups = \"wheel\"\n",
        &[
            "line 3 column 1: `customizations.user[0].groups`: expected a list of strings, found a string",
        ],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\nforce_password_reset = \"yes\"\n",
        &[
            "line 3 column 1: `customizations.user[0].force_password_reset`: expected true or false, found a string",
        ],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 1.5\n",
        &[
            "line 3 column 1: `customizations.filesystem[0].minsize`: expected a number of bytes or a size like \"10 GiB\", found a fraction",
        ],
    ),
    // What is not for disks.
    (
        "[[packages]]\nname = \"vim\"\n",
        &["line 1 column 3: `packages`: packages come with the image…"],
    ),
    (
        "{\"containers\": [{\"source\": \"a\"}], \"modules\": [{}]}",
        &["line 1 column …: `containers`: …", "line 1 column …: `modules`: …"],
    ),
    (
        "[customizations]\nfips = true\n[customizations.firewall]\nports = [\"22:tcp\"]\n",
        &[
            "line 2 column 1: `customizations.fips`: build the image for FIPS…",
            "line 3 column 17: `customizations.firewall`: …",
        ],
    ),
    (
        "[customizations.installer]\nunattended = true\nmodules = { enable = [\"x\"] }\n[customizations.iso]\nvolume_id = \"X\"\n",
        &[
            "line 2 column 1: `customizations.installer.unattended`: not supported yet: say so in `kickstart.contents`",
            "line 3 column 1: `customizations.installer.modules`: not supported yet: …",
            "line 4 column 17: `customizations.iso`: it is for Anaconda's installers; ours reads `[install]` beside `[customizations]`",
        ],
    ),
    (
        "[customizations.openscap]\nprofile_id = \"x\"\n[customizations.rpm.import_keys]\nfiles = [\"/a\"]\n[[customizations.repositories]]\nid = \"x\"\n",
        &[
            "line 1 column 17: `customizations.openscap`: …",
            "line 3 column …: `customizations.rpm`: …",
            "line 5 column 18: `customizations.repositories`: …",
        ],
    ),
    (
        "[customizations.kernel]\nname = \"kernel-rt\"\n",
        &["line 2 column 1: `customizations.kernel.name`: the kernel is the image's"],
    ),
    // Accounts.
    (
        "[[customizations.user]]\nkey = \"ssh-rsa A\"\n",
        &["line 1 column 1: `customizations.user[0]`: `name` is missing"],
    ),
    (
        "[[customizations.user]]\nname = \"a b\"\n",
        &["line 2 column 1: `customizations.user[0].name`: `a b` is no name for an account…"],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\n[[customizations.user]]\nname = \"a\"\n",
        &[
            "line 4 column 1: `customizations.user[1].name`: `a` is here a second time: the first is `customizations.user[0].name`",
        ],
    ),
    (
        "[[customizations.user]]\nname = \"root\"\nuid = 5\n",
        &["line 3 column 1: `customizations.user[0].uid`: `5` is not root's: that is 0"],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\nuid = -1\n",
        &["line 3 column 1: `customizations.user[0].uid`: `-1` is not between 0 and 4294967294"],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\nhome = \"home/a\"\nshell = \"/bin/../sh\"\n",
        &[
            "line 3 column 1: `customizations.user[0].home`: `home/a` is no absolute path",
            "line 4 column 1: `customizations.user[0].shell`: `/bin/../sh` should be written `/sh`",
        ],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\nkey = \"-----BEGIN OPENSSH PRIVATE KEY-----\"\n",
        &[
            "line 3 column 1: `customizations.user[0].key`: `…` is a private key: give the public one (`….pub`)",
        ],
    ),
    (
        "[[customizations.user]]\nname = \"a\"\npassword = \"$6$a:b\"\n",
        &[
            "line 3 column 1: `customizations.user[0].password`: `…` has characters that a hash cannot have",
        ],
    ),
    (
        "[[customizations.group]]\nname = \"a\"\ngid = 7\n[[customizations.group]]\nname = \"b\"\ngid = 7\n",
        &[
            "line 6 column 1: `customizations.group[1].gid`: `7` is here a second time: the first is `customizations.group[0].gid`",
        ],
    ),
    (
        "[[customizations.sshkey]]\nuser = \"a\"\n",
        &["line 1 column 1: `customizations.sshkey[0]`: `key` is missing"],
    ),
    // Sizes of file systems.
    (
        "[[customizations.filesystem]]\nmountpoint = \"/var\"\nminsize = 1\n",
        &["line 2 column 1: `customizations.filesystem[0].mountpoint`: `/var` cannot be one…"],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/var/home/a\"\nminsize = 1\n[[customizations.filesystem]]\nmountpoint = \"/opt\"\nminsize = 1\n",
        &[
            "line 2 column 1: `customizations.filesystem[0].mountpoint`: `/var/home/a` cannot be one: bootable images use `/var/home` themselves",
            "line 5 column 1: `customizations.filesystem[1].mountpoint`: `/opt` cannot be one…",
        ],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 1\nsize = 2\n",
        &[
            "line 4 column 1: `customizations.filesystem[0].size`: cannot be combined with `customizations.filesystem[0].minsize`",
        ],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 0\n",
        &[
            "line 3 column 1: `customizations.filesystem[0].minsize`: `0` is no size of a file system",
        ],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/\"\n",
        &["line 1 column 1: `customizations.filesystem[0]`: `minsize` is missing"],
    ),
    (
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = \"10 gigs\"\n[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = \"1 GiB\"\n",
        &[
            "line 3 column 1: `customizations.filesystem[0].minsize`: `10 gigs` has no known unit…",
            "line 5 column 1: `customizations.filesystem[1].mountpoint`: `/` is here a second time: …",
        ],
    ),
    // Partitions.
    (
        "[customizations.disk]\nminsize = 1\n[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 1\n",
        &[
            "line 3 column 18: `customizations.filesystem`: cannot be combined with `customizations.disk`",
        ],
    ),
    (
        "[customizations.disk]\ntype = \"dos\"\nsector_size = 1000\n",
        &[
            "line 2 column 1: `customizations.disk.type`: not supported yet: partition tables other than `gpt`",
            "line 3 column 1: `customizations.disk.sector_size`: `1000` is no power of two…",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\ntype = \"lvm\"\nname = \"vg\"\nminsize = \"1 GiB\"\n[[customizations.disk.partitions]]\ntype = \"btrfs\"\n[[customizations.disk.partitions]]\ntype = \"zfs\"\n",
        &[
            "line 2 column 1: `customizations.disk.partitions[0].type`: not supported yet: LVM…",
            "line 6 column 1: `customizations.disk.partitions[1].type`: not supported yet: btrfs…",
            "line 8 column 1: `customizations.disk.partitions[2].type`: `zfs` is no kind of partition…",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nmountpoint = \"/var\"\nfs_type = \"xfs\"\nminsize = 1\n",
        &[
            "line 3 column 1: `customizations.disk.partitions[0].fs_type`: not supported yet: other file systems than ext4, vfat and swap",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nmountpoint = \"/var\"\nminsize = 1\n",
        &["line 1 column 1: `customizations.disk.partitions[0]`: `fs_type` is missing"],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nminsize = 1\n",
        &["line 1 column 1: `customizations.disk.partitions[0]`: `mountpoint` is missing"],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"swap\"\nmountpoint = \"/swap\"\nminsize = 1\n[[customizations.disk.partitions]]\nfs_type = \"none\"\n",
        &[
            "line 3 column 1: `customizations.disk.partitions[0].mountpoint`: `/swap` cannot be: nothing of type `swap` is mounted",
            "line 5 column 1: `customizations.disk.partitions[1]`: `minsize` is missing",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"vfat\"\nmountpoint = \"/boot\"\n[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/boot/efi\"\n",
        &[
            "line 2 column 1: `customizations.disk.partitions[0].fs_type`: `vfat` cannot be mounted at `/boot`: `ext4` can",
            "line 5 column 1: `customizations.disk.partitions[1].fs_type`: `ext4` cannot be mounted at `/boot/efi`: `vfat` can",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/data/\"\n[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/usr\"\n",
        &[
            "line 3 column 1: `customizations.disk.partitions[0].mountpoint`: `/data/` should be written `/data`",
            "line 6 column 1: `customizations.disk.partitions[1].mountpoint`: `/usr` is no place for a file system of its own",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/var\"\npart_type = \"83\"\npart_label = \"a name of more than thirty-six characters\"\nlabel = \"more-than-sixteen\"\n[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/var\"\n",
        &[
            "line 4 column 1: `customizations.disk.partitions[0].part_type`: `83` is no GUID…",
            "line 5 column 1: `customizations.disk.partitions[0].part_label`: `a name of more than thirty-six characters` is too long: at most 36 UTF-16 units",
            "line 6 column 1: `customizations.disk.partitions[0].label`: `more-than-sixteen` is too long…",
            "line 9 column 1: `customizations.disk.partitions[1].mountpoint`: `/var` is here a second time: …",
        ],
    ),
    (
        "[[customizations.disk.partitions]]\nfs_type = \"ext4\"\nmountpoint = \"/var\"\nsubvolumes = [{}]\n",
        &[
            "line 4 column 1: `customizations.disk.partitions[0].subvolumes`: is for partitions of type `btrfs`…",
        ],
    ),
    // Files and directories.
    (
        "[[customizations.directories]]\npath = \"/opt/x\"\n[[customizations.directories]]\npath = \"/etc\"\n",
        &[
            "line 2 column 1: `customizations.directories[0].path`: `/opt/x` is elsewhere: directories can be made below `/etc` only",
            "line 4 column 1: `customizations.directories[1].path`: `/etc` is elsewhere: …",
        ],
    ),
    (
        "[[customizations.files]]\npath = \"/etc/passwd\"\n[[customizations.files]]\npath = \"/usr/bin/x\"\n[[customizations.files]]\npath = \"/etc/../x\"\n",
        &[
            "line 2 column 1: `customizations.files[0].path`: `/etc/passwd` is for `customizations.user` to change",
            "line 4 column 1: `customizations.files[1].path`: `/usr/bin/x` is elsewhere: …",
            "line 6 column 1: `customizations.files[2].path`: `/etc/../x` should be written `/x`",
        ],
    ),
    (
        "[[customizations.files]]\npath = \"/etc/a\"\n[[customizations.files]]\npath = \"/etc/a\"\n[[customizations.files]]\npath = \"/etc/a/b\"\n",
        &[
            "line 4 column 1: `customizations.files[1].path`: `/etc/a` is here a second time: the first is `customizations.files[0].path`",
            "line 6 column 1: `customizations.files[2].path`: `/etc/a/b` is below the file of `customizations.files[0].path`",
        ],
    ),
    (
        "[[customizations.directories]]\npath = \"/etc/a/b\"\n[[customizations.files]]\npath = \"/etc/a\"\n",
        &[
            "line 4 column 1: `customizations.files[0].path`: `/etc/a` is a file, but the path of `customizations.directories[0].path` is below it",
        ],
    ),
    (
        "[[customizations.files]]\npath = \"/etc/a\"\nmode = \"rw\"\nuser = \"a b\"\ngroup = true\nuri = \"https://a/b\"\n",
        &[
            "line 3 column 1: `customizations.files[0].mode`: `rw` is no mode…",
            "line 4 column 1: `customizations.files[0].user`: `a b` is no name for an account…",
            "line 5 column 1: `customizations.files[0].group`: expected a string or a whole number, found a boolean",
            "line 6 column 1: `customizations.files[0].uri`: files cannot be fetched: give the content as `data`",
        ],
    ),
    // The rest.
    (
        "[customizations]\nhostname = \"-lab\"\n",
        &["line 2 column 1: `customizations.hostname`: `-lab` is no hostname…"],
    ),
    (
        "[customizations.timezone]\ntimezone = \"../../etc/shadow\"\nntpservers = [\"a b\"]\n",
        &[
            "line 2 column 1: `customizations.timezone.timezone`: `../../etc/shadow` is no time zone…",
            "line 3 column 15: `customizations.timezone.ntpservers[0]`: `a b` is no name or address of a server",
        ],
    ),
    (
        "[customizations]\ntimezone = \"Europe/Berlin\"\n",
        &["line 2 column 1: `customizations.timezone`: expected a table, found a string"],
    ),
    (
        "[customizations.services]\nenabled = [\"sshd\"]\nmasked = [\"sshd.service\", \"a/b\"]\n",
        &[
            "line 3 column 11: `customizations.services.masked[0]`: `sshd.service` is here a second time: the first is `customizations.services.enabled[0]`",
            "line 3 column 27: `customizations.services.masked[1]`: `a/b` is no name of a unit",
        ],
    ),
    (
        "[customizations.ignition.firstboot]\nurl = \"https://a/b\"\nempty = true\n",
        &[
            "line 2 column 1: `customizations.ignition.firstboot.url`: cannot be combined with `customizations.ignition.firstboot.empty`",
        ],
    ),
    (
        "[customizations.ignition.embedded]\nconfig = \"not base64\"\n[customizations.ignition.firstboot]\n",
        &[
            "line 2 column 1: `customizations.ignition.embedded.config`: `notbase64` is no base64",
            "line 3 column 26: `customizations.ignition.firstboot`: `url` is missing",
        ],
    ),
    (
        "[customizations.ignition.embedded]\nconfig = \"e30=\"\n",
        &[
            "line 2 column 1: `customizations.ignition.embedded.config`: `e30=` is no Ignition configuration: it has no `ignition.version`",
        ],
    ),
    (
        "[customizations.credentials]\n\"../x\" = \"a\"\ny = { base64 = \"!\" }\nz = 1\n",
        &[
            "line 2 column 1: `customizations.credentials.\"../x\"`: `../x` is no file name, so no name of a credential",
            "line 3 column 7: `customizations.credentials.y.base64`: `!` is no base64",
            "line 4 column 1: `customizations.credentials.z`: expected a string, found a number",
        ],
    ),
    (
        "[customizations.bootloader.grub2]\nterminal_input = [\"serial\", \"tty\"]\nmenu-timeout = 5\n",
        &[
            "line 1 column 28: `customizations.bootloader.grub2`: `serial` is missing",
            "line 2 column 29: `customizations.bootloader.grub2.terminal_input[1]`: `tty` is no terminal of GRUB's…",
            "line 3 column 1: `customizations.bootloader.grub2.menu-timeout`: unknown key",
        ],
    ),
    (
        "[customizations.kernel]\nappend = 'a=\"b c'\n",
        &[
            "line 2 column 1: `customizations.kernel.append`: `a=\"b c` has a quote that is not closed",
        ],
    ),
    (
        "[customizations.kernel]\nappend = \"a\\nb\"\n",
        &[
            "line 2 column 1: `customizations.kernel.append`: `a\nb` has a line break or another control character",
        ],
    ),
];

/// Whether `text` is `pattern`, in which each `…` stands for anything.
fn matches(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else { return text == pattern };
    let Some(text) = text.strip_prefix(start) else { return false };
    rest.is_empty() || text.char_indices().any(|(at, _)| matches(&text[at..], rest))
}

#[test]
fn wrong_blueprints_are_refused_with_all_that_is_wrong() {
    let mut failed = String::new();
    for (text, expected) in ROWS {
        let error = match super::parse(text) {
            Ok(blueprint) => panic!("{text}\n{blueprint:?}"),
            Err(error) => error,
        };
        let bootc_image::config::blueprint::BlueprintError::Invalid { problems, .. } = &error
        else {
            panic!("{error}")
        };
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let same = told.len() == expected.len()
            && told.iter().zip(*expected).all(|(told, expected)| matches(told, expected));
        if !same {
            failed += &format!("{text}\n  told {told:#?}\n  expected {expected:#?}\n");
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn one_problem_is_told_on_one_line_and_several_below_each_other() {
    let one = super::parse("[customizations]\nhostname = 7\n").unwrap_err().to_string();
    assert_eq!(
        one,
        "`config.toml` line 2 column 1: `customizations.hostname`: expected a string, found a number"
    );
    let two = super::parse("x = 1\ny = 2\n").unwrap_err().to_string();
    assert_eq!(
        two,
        "`config.toml` has 2 problems\nline 1 column 1: `x`: unknown key\nline 2 column 1: `y`: unknown key"
    );
    let binary = bootc_image::config::blueprint::Blueprint::parse("a.toml", b"a = 1\n\xff");
    assert_eq!(binary.unwrap_err().to_string(), "`a.toml` line 2: not UTF-8");
}
