//! Makes images of real software from Debian's packages with mmdebstrap, configured as the software's official
//! Docker images. A root file system is made once and kept in `target/debian-images`, under a name that depends on
//! what it is made of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use image::debian::Suite;

use crate::docker::Docker;
use crate::paths;

/// The machine's own release, so that its package sources serve.
const SUITE: &str = "bookworm";
/// The files that no container reads.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
];

/// An image of real software from Debian's packages, to run as a container of a VCH: its packages, further files and
/// configuration.
#[derive(Debug, Clone)]
pub struct DebianImage {
    /// The name that the image gets in a VCH.
    pub name: &'static str,
    suite: &'static str,
    packages: &'static [&'static str],
    /// Path, text, and whether it is a program.
    files: &'static [(&'static str, &'static str, bool)],
    /// Run within the root file system once the packages are there.
    set_up: &'static str,
    /// Instructions of `docker import --change`.
    changes: &'static [&'static str],
}

impl DebianImage {
    /// nginx, with entrypoint, command, port and stop signal as in `nginx:stable` (docker-nginx,
    /// stable/debian/Dockerfile). Serves the page "real nginx" on port 80.
    pub const NGINX: Self = Self {
        name: "nginx",
        suite: SUITE,
        packages: &["nginx-light"],
        files: &[
            (
                "docker-entrypoint.sh",
                "#!/bin/sh\nset -e\n[ -d /docker-entrypoint.d ] && for f in /docker-entrypoint.d/*.sh; do [ -x \"$f\" ] && \"$f\"; done\nexec \"$@\"\n",
                true,
            ),
            ("var/www/html/index.html", "real nginx\n", false),
        ],
        // As the official image: the logs are the container's output.
        set_up: "ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log",
        changes: &[
            "ENTRYPOINT [\"/docker-entrypoint.sh\"]",
            "CMD [\"nginx\", \"-g\", \"daemon off;\"]",
            "EXPOSE 80",
            "STOPSIGNAL SIGQUIT",
        ],
    };

    /// Redis, with user, volume, directory and command as in `redis:7` (redis/docker-library-redis,
    /// debian/Dockerfile). Its entrypoint switches from root to the user `redis`.
    pub const REDIS: Self = Self {
        name: "redis",
        suite: SUITE,
        packages: &["redis-server"],
        files: &[(
            "usr/local/bin/docker-entrypoint.sh",
            "#!/bin/sh\nset -e\nif [ \"$1\" = redis-server ] && [ \"$(id -u)\" = 0 ]; then\n  chown redis:redis .\n  exec setpriv --reuid=redis --regid=redis --clear-groups -- \"$0\" \"$@\"\nfi\nexec \"$@\"\n",
            true,
        )],
        set_up: "mkdir /data; chown redis:redis /data",
        changes: &[
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"redis-server\", \"--protected-mode\", \"no\"]",
            "VOLUME [\"/data\"]",
            "WORKDIR /data",
            "EXPOSE 6379",
        ],
    };

    /// PostgreSQL, with volume, environment, command and stop signal as in `postgres:15` (docker-library/postgres,
    /// Dockerfile-debian.template). Its entrypoint switches from root to the user `postgres`, makes a database at
    /// the first start, and runs the server.
    pub const POSTGRES: Self = Self {
        name: "postgres",
        suite: SUITE,
        packages: &["postgresql-15", "postgresql-client-15"],
        files: &[(
            "usr/local/bin/docker-entrypoint.sh",
            "#!/bin/sh\nset -e\nif [ \"$(id -u)\" = 0 ]; then\n  mkdir -p \"$PGDATA\" /run/postgresql\n  chown postgres:postgres \"$PGDATA\" /run/postgresql\n  chmod 700 \"$PGDATA\"\n  exec setpriv --reuid=postgres --regid=postgres --init-groups -- \"$0\" \"$@\"\nfi\nif [ \"$1\" = postgres ] && [ ! -s \"$PGDATA/PG_VERSION\" ]; then\n  echo \"$POSTGRES_PASSWORD\" > /tmp/password\n  initdb --auth-host=scram-sha-256 --auth-local=trust --pwfile=/tmp/password --no-sync >/dev/null\n  rm /tmp/password\n  echo 'host all all all scram-sha-256' >> \"$PGDATA/pg_hba.conf\"\n  echo \"listen_addresses = '*'\" >> \"$PGDATA/postgresql.conf\"\nfi\nexec \"$@\"\n",
            true,
        )],
        set_up: "rm -rf /var/lib/postgresql/15; mkdir -p /var/lib/postgresql/data; chown postgres:postgres /var/lib/postgresql/data",
        changes: &[
            "ENV PGDATA=/var/lib/postgresql/data",
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin",
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"postgres\"]",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            "STOPSIGNAL SIGINT",
        ],
    };

    /// HAProxy, with user, command and stop signal as in `haproxy:2.6` (docker-library/haproxy, Dockerfile.template).
    /// Passes HTTP requests from its port 80 on to port 80 of the host `web`, whose addresses it looks up again and
    /// again.
    pub const HAPROXY: Self = Self {
        name: "haproxy",
        suite: SUITE,
        packages: &["haproxy"],
        files: &[(
            "usr/local/etc/haproxy/haproxy.cfg",
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nresolvers docker\n  parse-resolv-conf\n  hold valid 1s\nfrontend in\n  bind :80\n  default_backend web\nbackend web\n  server web web:80 check resolvers docker init-addr none\n",
            false,
        )],
        set_up: "true",
        changes: &[
            "USER haproxy",
            "CMD [\"haproxy\", \"-W\", \"-db\", \"-f\", \"/usr/local/etc/haproxy/haproxy.cfg\"]",
            "STOPSIGNAL SIGUSR1",
        ],
    };

    /// An OpenSSH server on port 22, run by root, as its images are commonly made; an official image does not exist. It
    /// has no further user and no password.
    pub const SSHD: Self = Self {
        name: "sshd",
        suite: SUITE,
        packages: &["openssh-server"],
        files: &[],
        set_up: "true",
        // /run of a fresh root file system is empty.
        changes: &[
            "EXPOSE 22",
            "CMD [\"sh\", \"-c\", \"mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e\"]",
        ],
    };

    /// A web server in Python, of the name `app`, which answers every GET on port 80 with "real python". It runs as an
    /// ordinary user (`nobody`), as the documentation of the official image `python` recommends.
    pub const PYTHON: Self = Self {
        name: "app",
        suite: SUITE,
        packages: &["python3-minimal", "libpython3-stdlib"],
        files: &[(
            "srv/app/app.py",
            "import http.server, signal, sys\nclass App(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'real python\\n')\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nhttp.server.ThreadingHTTPServer(('', 80), App).serve_forever()\n",
            false,
        )],
        set_up: "true",
        changes: &[
            "USER nobody",
            "WORKDIR /srv/app",
            "EXPOSE 80",
            "CMD [\"python3\", \"app.py\"]",
        ],
    };

    /// The tools with which administrators set up networks, to be run in a container: nft and iptables, ip, ping. The
    /// image's command is bash.
    pub const NETFILTER: Self = Self {
        name: "netfilter",
        suite: SUITE,
        packages: &["nftables", "iptables", "iproute2", "iputils-ping"],
        files: &[],
        // Without the capability of the file: an ordinary user's ping has the kernel's echo sockets alone.
        set_up: "cp --preserve=mode /bin/ping /usr/local/bin/ping",
        changes: &["CMD [\"bash\"]"],
    };

    /// dockerd of Debian 13, for Docker in a container, with the files of an image that tests build in it. As in the
    /// official `docker:dind` (hack/dind of moby), its processes leave the container's own cgroup, so that dockerd can
    /// make cgroups below it.
    pub const DOCKER: Self = Self {
        name: "dockerd",
        suite: "trixie",
        packages: &["docker.io", "docker-cli", "iptables", "busybox-static"],
        files: &[
            (
                "usr/local/bin/begin",
                "#!/bin/sh\nset -e\ncd /sys/fs/cgroup\nmkdir -p init\nxargs -rn1 <cgroup.procs >init/cgroup.procs || :\nsed -e 's/ / +/g' -e 's/^/+/' <cgroup.controllers >cgroup.subtree_control\nexec dockerd\n",
                true,
            ),
            (
                "usr/local/bin/import-base",
                "#!/bin/sh\nset -e\nmkdir -p /base/bin\ncp /bin/busybox /base/bin/\nln -s busybox /base/bin/sh\ntar -C /base -c . | docker import - base\n",
                true,
            ),
            (
                "build/Dockerfile",
                "FROM base\nRUN /bin/busybox echo built >/page\nCOPY copied index.html /\nCMD [\"/bin/busybox\", \"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/\"]\n",
                false,
            ),
            ("build/copied", "copied\n", false),
            ("build/index.html", "nested\n", false),
        ],
        set_up: "true",
        changes: &["CMD [\"begin\"]"],
    };

    /// Imports the image into the VCH (or dockerd) that `docker` talks to, with `docker import` under its
    /// [`DebianImage::name`]. Makes the root file system first if it was not made yet.
    ///
    /// # Errors
    /// Returns an error if the root file system cannot be made or the import fails.
    pub fn import(&self, docker: &Docker) -> Result<()> {
        let tar = self.root_file_system()?;
        let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let changes = std::iter::once(&path).chain(self.changes);
        let changes: Vec<_> = changes
            .map(|change| format!("--change '{change}'"))
            .collect();
        let (changes, tar, name) = (changes.join(" "), tar.display(), self.name);
        docker.succeed(&format!("docker import {changes} {tar} {name}"))?;
        Ok(())
    }

    /// Returns the path of the tar archive of the root file system. The first call makes it, which takes a minute;
    /// later ones, also of other test runs, find it in `target/debian-images`. Tests should call this before they have
    /// the turn to run VMs. A build that is interrupted leaves no archive.
    ///
    /// # Errors
    /// Returns an error if mmdebstrap or another program fails.
    pub fn root_file_system(&self) -> Result<PathBuf> {
        let kept = paths::workspace().join("target/debian-images");
        fs::create_dir_all(&kept).context("make the folder of root file systems")?;
        let tar = kept.join(format!("{}-{:016x}.tar", self.name, self.key()));
        if tar.is_file() {
            return Ok(tar);
        }
        // Two tests may make the same one.
        let work = tar.with_extension(std::process::id().to_string());
        let made = self.make(&work, &tar);
        match fs::remove_dir_all(&work) {
            Err(error) if made.is_ok() && error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("remove the folder of a root file system in the making");
            }
            _ => {}
        }
        made.map(|()| tar)
    }

    fn make(&self, work: &Path, tar: &Path) -> Result<()> {
        let files = work.join("files");
        self.write_files(&files)?;
        let partial = work.join("root.tar");
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(["--quiet", "--variant=minbase", "--mode=root"]);
        mmdebstrap.arg(format!("--include={}", self.packages.join(",")));
        for path in LEFT_OUT {
            mmdebstrap.arg(format!("--dpkgopt=path-exclude={path}"));
        }
        // Nothing is started in a root file system that is being made.
        mmdebstrap.arg("--aptopt=APT::Install-Recommends \"false\"");
        mmdebstrap.arg("--customize-hook=rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/*");
        mmdebstrap.arg(format!(
            "--customize-hook=cp -a {}/. \"$1\"/",
            files.display()
        ));
        mmdebstrap.arg(format!(
            "--customize-hook=chroot \"$1\" sh -c '{}'",
            self.set_up
        ));
        mmdebstrap
            .arg(self.suite)
            .arg(&partial)
            .stdin(Stdio::null());
        if self.suite != SUITE {
            mmdebstrap.arg(Suite::new(self.suite, work).source()?);
        }
        let output = mmdebstrap
            .output()
            .context("start `mmdebstrap`: on Debian install it by `apt-get install mmdebstrap`")?;
        ensure!(
            output.status.success(),
            "mmdebstrap: {}: run `apt-get update` when the package lists are old",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::rename(&partial, tar).context("keep the root file system")
    }

    fn write_files(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        for (path, text, program) in self.files {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text).with_context(|| path.display().to_string())?;
            let mode = if *program { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Returns a hash of what the image is made of (FNV-1a, 64 bits).
    fn key(&self) -> u64 {
        let files: BTreeMap<_, _> = self.files.iter().map(|one| (one.0, one)).collect();
        let whole = format!(
            "{} {:?} {files:?} {}",
            self.suite, self.packages, self.set_up
        );
        let start = 0xcbf2_9ce4_8422_2325_u64;
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        whole.bytes().fold(start, step)
    }
}
