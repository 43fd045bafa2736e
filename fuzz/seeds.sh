#!/bin/bash
# Makes a first corpus for every fuzz target from files that standard tools write:
#
#   apt-get install qemu-utils dosfstools mtools e2fsprogs gdisk attr openssl cpio zstd xz-utils ostree genisoimage \
#     grub-pc-bin grub-efi-amd64-bin
#   fuzz/seeds.sh && cargo +nightly fuzz run disk_formats -- -max_total_time=600
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p corpus/{blueprint,disk_yaml,sources,docker_archive,trust,disk_formats,disk_tar,gpt,fat,raw_disk,commit,accounts,initramfs,kernel_modules,disk_content,install_toml,iso9660,carried,\
fat_edit,inflate,import,grub,selinux}
first() { printf "\\x$1"; cat; }

# ---------------------------------------------------------------- configuration
first 00 <../tests/config_table/full.toml >corpus/blueprint/toml
first 01 >corpus/blueprint/json <<'J'
{"blueprint": {"customizations": {"user": [{"name": "a", "groups": ["wheel"], "key": "ssh-ed25519 AAAA"}],
 "filesystem": [{"mountpoint": "/", "minsize": "10 GiB"}], "kernel": {"append": "a=b"},
 "disk": {"type": "gpt", "partitions": [{"type": "plain", "fs_type": "ext4", "mountpoint": "/var", "minsize": 1}]}}}}
J
cat >corpus/disk_yaml/table <<'Y'
.common: &common
  type: "gpt"
  uuid: "D209C89E-EA5E-4FBD-B161-B461CCE297E0"
partition_table:
  <<: *common
  partitions:
    - size: 1 MiB
      bootable: true
      type: "21686148-6449-6E6F-744E-656564454649"
    - {name: data, size: "1 GiB", payload_type: filesystem, payload: {type: ext4, mountpoint: /data, label: d}}
    - {payload_type: raw, payload: {source_path: /usr/lib/blob}}
mount_configuration: "units"
Y
first 00 >corpus/sources/conf <<'T'
unqualified-search-registries = ["registry.example"]
[[registry]]
prefix = "*.example/a"
location = "b.example"
blocked = false
[[registry.mirror]]
location = "mirror.example:5000/x"
insecure = true
pull-from-mirror = "digest-only"
[aliases]
"os" = "registry.example/os"
T
first 01 >corpus/sources/secret <<'J'
{"kind": "Secret", "data": {".dockerconfigjson": "eyJhdXRocyI6eyJhIjp7ImF1dGgiOiJZVHBpIn19fQ=="}}
J
for name in oci:/a/b:tag oci-archive:x.tar:@3 docker-archive:x.tar:a/b:c containers-storage:localhost/os \
  registry.example:5000/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
do printf '\x02%s' "$name" >"corpus/sources/${name%%:*}"; done
first 03 >corpus/sources/layers <<'J'
{"schemaVersion": 2, "config": {}, "layers": [{"digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
 "size": 3, "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "annotations": {"dev.cosignproject.cosign/signature": "YQ=="}}]}
J
cat >corpus/install_toml/file <<'T'
[install]
target = { serial = "S3R14L" }
unattended = true
saved = ["data*", "home"]
[customizations]
hostname = "a"
T
printf 'quiet bootc-image.install.target="serial:A B" bootc-image.install.wipe' >corpus/install_toml/kargs

# ---------------------------------------------------------------- keys and policies
for curve in prime256v1 secp384r1; do
  openssl ecparam -genkey -noout -name $curve | openssl ec -pubout >corpus/trust/$curve 2>/dev/null
done
openssl genrsa 2048 2>/dev/null | openssl rsa -pubout >corpus/trust/rsa 2>/dev/null
openssl genpkey -algorithm ed25519 | openssl pkey -pubout >corpus/trust/ed25519
cat >corpus/trust/policy <<'J'
{"default": [{"type": "reject"}], "transports": {"docker": {"a.example/b": [{"type": "sigstoreSigned", "keyPath": "/k",
 "signedIdentity": {"type": "remapIdentity", "prefix": "x", "signedPrefix": "y"}}], "*.c": [{"type": "insecureAcceptAnything"}]}}}
J
cat >corpus/trust/claim <<'J'
{"critical": {"identity": {"docker-reference": "a/b"}, "image": {"docker-manifest-digest":
 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "type": "cosign container image signature"}, "optional": {}}
J

# ---------------------------------------------------------------- disks
truncate -s 40K "$work/small"; printf 'x%.0s' {1..3000} | dd of="$work/small" conv=notrunc bs=512 seek=20 status=none
for format in qcow2 vmdk vhdx vpc; do
  qemu-img convert -f raw -O $format "$work/small" "corpus/disk_formats/$format"
done
qemu-img convert -c -f raw -O qcow2 "$work/small" corpus/disk_formats/qcow2-compressed
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/small" corpus/disk_formats/vmdk-stream
qemu-img convert -f raw -O vpc -o subformat=fixed,force_size "$work/small" corpus/disk_formats/vpc-fixed
cp "$work/small" "$work/disk.raw"
tar -C "$work" --format=oldgnu --sparse -cf corpus/disk_tar/sparse disk.raw
tar -C "$work" --format=posix -cf corpus/disk_tar/posix disk.raw
truncate -s 3M "$work/gpt"
sgdisk -a 1 -n 1:64:2047 -n 2:2048:+1M -c 2:root -t 1:ef00 "$work/gpt" >/dev/null
head -c 64K "$work/gpt" >corpus/gpt/start
truncate -s 160K "$work/fat"; mkfs.fat -F 12 "$work/fat" >/dev/null
mmd -i "$work/fat" ::EFI; printf abc | mcopy -i "$work/fat" - ::EFI/a-long-name.efi
cp "$work/fat" corpus/fat/fat12
mmd -i "$work/fat" ::EFI/BOOT; mcopy -i "$work/fat" "$work/small" ::EFI/BOOT/GRUB.CFG
cp "$work/fat" corpus/fat_edit/fat12
truncate -s 512K "$work/ext4"; mkdir -p "$work/tree/boot/loader/entries" "$work/tree/ostree/deploy"
printf 'title a\nlinux /vmlinuz\noptions root=UUID=1\n' >"$work/tree/boot/loader/entries/ostree-1.conf"
mke2fs -q -t ext4 -O ^has_journal -d "$work/tree" "$work/ext4"
dd if="$work/ext4" of="$work/gpt" bs=512 seek=2048 conv=notrunc status=none
dd if="$work/fat" of="$work/gpt" bs=512 seek=64 conv=notrunc status=none
cp "$work/gpt" corpus/raw_disk/gpt
cp "$work/gpt" corpus/disk_content/gpt
head -c 4K "$work/ext4" >corpus/disk_content/ext4
cp "$work/fat" corpus/disk_content/fat
mkdir -p "$work/iso/1/2/3/4/5/6/7/8"; printf menu >"$work/iso/1/a-long-name.cfg"
printf x >"$work/iso/1/2/3/4/5/6/7/8/x"; ln -s ../a "$work/iso/1/link"; head -c 2048 /dev/zero >"$work/iso/boot"
genisoimage -quiet -no-pad -R -J -b boot -no-emul-boot -boot-info-table -o corpus/iso9660/all "$work/iso"
genisoimage -quiet -no-pad -J -D -o corpus/iso9660/joliet "$work/iso"

# ---------------------------------------------------------------- images
mkdir "$work/docker"; (cd "$work/docker" && echo hello >file && tar -cf layer.tar file && rm file
  echo '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:'"$(sha256sum layer.tar | cut -d' ' -f1)"'"]}}' >config.json
  echo '[{"Config":"config.json","RepoTags":["a:b"],"Layers":["layer.tar"]}]' >manifest.json
  tar -cf ../docker.tar manifest.json config.json layer.tar)
cp "$work/docker.tar" corpus/docker_archive/one
contexts=usr/etc/selinux/t/contexts/files
(mkdir "$work/lower" && cd "$work/lower" && mkdir -p usr/bin etc $contexts usr/etc/selinux/t/policy
  echo '#!/bin/sh' >usr/bin/sh; ln usr/bin/sh usr/bin/bash; ln -s sh usr/bin/dash; cp "$work/small" usr/sparse
  printf 'SELINUX=enforcing\nSELINUXTYPE=t\n' >usr/etc/selinux/config; touch usr/etc/selinux/t/policy/policy.33
  printf '/.* -- u:r:t:s0\n/usr(/.*)? u:r:usr_t:s0\n/usr/[^/]*/b(a|o)sh? <<none>>\n/x{2,3}\\.y+ -l u:r:x:s0\n' >$contexts/file_contexts
  echo '/usr/local /usr' >$contexts/file_contexts.subs_dist; setfattr -n user.a -v b usr/bin/sh
  tar -b 1 --format=posix --sparse --xattrs -cf ../lower.tar usr etc)
(mkdir "$work/upper" && cd "$work/upper" && mkdir -p usr/bin usr/local var/lib etc && touch usr/bin/.wh.dash usr/local/.wh..wh..opq
  echo new >usr/local/x; touch usr/.wh.sparse; ln -s ../usr etc/link; tar -b 1 --format=oldgnu -cf ../upper.tar .)
cat "$work/lower.tar" "$work/upper.tar" >corpus/import/two
cat "$work/lower/$contexts/file_contexts" >corpus/selinux/all
printf '\0/usr/local /usr\n\0/usr/lib u:r:lib_t:s0\n\0/usr/local/bin/bash\0/xxx.yy' >>corpus/selinux/all
# a stream of deflate is a member of gzip without its ten bytes before and eight behind
for level in 1 6 9; do gzip -cn$level "$work/docker.tar" | tail -c +11 | head -c -8 >corpus/inflate/$level; done
head -c 20K /dev/urandom | gzip -cn | tail -c +11 | head -c -8 >corpus/inflate/stored
(cd /usr/lib/grub && mark() { printf -- --FILE--; }
  for name in kernel diskboot lzma_decompress boot; do cat i386-pc/$name.img; mark; done
  cat x86_64-efi/kernel.img; mark; mark; printf 'sbat,1,SBAT Version,sbat,1,u\n'; mark; cat i386-pc/moddep.lst) >corpus/grub/debian
ostree init --repo="$work/repo" --mode=bare-user
ostree commit --repo="$work/repo" -b a --add-metadata-string=version=1 --add-metadata-string=ostree.linux=6.1 "$work/tree" >/dev/null
find "$work/repo/objects" -name '*.commit' -exec cp {} corpus/commit/one \;
{ printf 'root:x:0:0:root:/root:/bin/bash\na:x:1000:1000::/home/a:/bin/sh\n---\nroot:*:20000:0:99999:7:::\n---\n'
  printf 'root:x:0:\nwheel:x:10:a\n---\nroot:*::\n---\na:100000:65536\n---\nUID_MIN 1000\nUID_MAX 60000\n---\nSHELL=/bin/sh\n---\n'
  printf 'wheel:x:10:\n---\n[Install]\nWantedBy=multi-user.target\nAlias=b.service\nDefaultInstance=x\n---\nKEYMAP=us\n'
} >corpus/accounts/one
mkdir -p "$work/initramfs/usr/lib/dracut"; printf 'bash\nlivenet\n' >"$work/initramfs/usr/lib/dracut/modules.txt"
(cd "$work/initramfs" && find . | cpio --quiet -o -H newc) >corpus/initramfs/cpio
for pack in gzip xz 'zstd -q'; do
  $pack -c <corpus/initramfs/cpio >"corpus/initramfs/${pack%% *}"
done
cat corpus/initramfs/cpio corpus/initramfs/gzip >corpus/initramfs/chain

# ---------------------------------------------------------------- kernel modules
printf '%s\0%s\0%s\0%s' $'a/nvme.ko.xz: a/nvme-core.ko.xz\na/nvme-core.ko.xz:\na/crc_x.ko:\n' \
  $'a/isofs.ko\n' $'softdep nvme pre: crc post: absent\n' $'alias crc crc-x\n' >corpus/kernel_modules/lists

# ---------------------------------------------------------------- builds that a medium carries
cat >corpus/carried/medium.json <<'T'
{"version":1,"volume_id":"DEBIAN-13-INSTALL","name":"Debian GNU/Linux 13 (trixie)","image_digest":"sha256:48ea80831a9b0101afdba028deb50f119f014a7afbe26daf071c51ac15317749","least_bytes":854589440,"target":"docker://localhost:5055/org/os:latest","arch":"x86_64","bios":"auto","platform":null,"boot_loader":"from-image","explicit_rootfs":false,"stateroot":null,"kargs":[],"karg_deletes":[],"root_ssh_authorized_keys":null,"layout":null,"settings":{"users":[],"groups":[],"kargs":[],"directories":[],"files":[],"hostname":null,"locale":{"languages":[],"keyboard":null},"time":{"zone":null,"ntp_servers":[]},"units":{"enabled":[],"disabled":[],"masked":[]},"credentials":{},"cloud_init":null,"ignition":null,"grub":null},"source_date_epoch":null}
T
echo "$(find corpus -type f | wc -l) seeds"
