//! A private MariaDB for the tests of this process, and a site's database with objects that dumps get wrong.

use crate::base::chance;
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub struct Server {
    socket: PathBuf,
    /// Ends the server when this process ends, however it ends: its input closes.
    _guard: Child,
}

/// The server; started once.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("sitekeep-my-{}", chance::word(8)));
        let socket = dir.join("s");
        let script = r#"
            set -e; d=$1; u=; mkdir "$d"
            if [ "$(id -u)" = 0 ]; then chown mysql: "$d"; u=--user=mysql; fi
            mariadb-install-db --no-defaults $u --datadir="$d/data" --auth-root-authentication-method=normal --skip-test-db >"$d.log" 2>&1 </dev/null
            mariadbd --no-defaults $u --datadir="$d/data" --socket="$d/s" --skip-networking --event-scheduler=off \
                --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --max-allowed-packet=64M \
                --pid-file="$d/pid" --log-error="$d/log" </dev/null & p=$!
            cat >/dev/null || true
            kill -9 $p; wait $p 2>/dev/null || true; rm -rf "$d" "$d.log""#;
        let guard = Command::new("/bin/bash")
            .args(["-c", script, "sitekeep-test"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { socket, _guard: guard };
        let end = Instant::now() + Duration::from_secs(60);
        while server.try_root("select 1").is_err() {
            assert!(Instant::now() < end, "MariaDB did not start: apt-get install mariadb-server");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn at(&self) -> Endpoint {
        Endpoint::Socket { path: self.socket.clone(), port: None }
    }

    pub fn access(&self, user: &str, password: &str, database: &str) -> Access {
        let account = Account { at: self.at(), database: database.into(), user: user.into(), prefix: String::new() };
        Access { address: DatabaseAddress::Mysql(account), password: Secret::new(password) }
    }

    /// The account that may do everything.
    pub fn root_access(&self) -> Access {
        self.access("root", "", "")
    }

    fn client(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
        use std::io::Write;
        let mut child = Command::new("mariadb")
            .args(["--no-defaults", "--default-character-set=utf8mb4", "-N", "-r", "-B", "--protocol=socket"])
            .args([format!("-u{user}"), format!("--password={password}"), format!("-S{}", self.socket.display()), format!("-D{database}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(sql.as_bytes());
        let out = child.wait_with_output().unwrap();
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn try_root(&self, sql: &str) -> Result<String, String> {
        self.client("root", "", "mysql", sql)
    }
    pub fn root(&self, sql: &str) -> String {
        self.try_root(sql).unwrap()
    }
    pub fn sql(&self, access: &Access, sql: &str) -> Result<String, String> {
        let account = access.address.account().unwrap();
        self.client(&account.user, access.password.expose(), &account.database, sql)
    }

    /// A new database with a user of its own, who has all rights on it and none elsewhere.
    pub fn site(&self) -> Access {
        let name = format!("site_{}", chance::word(6));
        self.root(&format!(
            "create database {name} character set utf8mb4 collate utf8mb4_unicode_ci; create user {name}@localhost identified by 'p''w\"#\\\\ x'; \
             grant all on `{}`.* to {name}@localhost;",
            name.replace('_', "\\_")
        ));
        self.access(&name, "p'w\"#\\ x", &name)
    }

    /// A site with every kind of object.
    pub fn hard_site(&self) -> Access {
        let access = self.site();
        self.sql(&access, HARD).unwrap();
        self.sql(&access, &format!("set sql_mode=''; insert into `float` values (1, {}, pi());", 1.0 / 3.0)).unwrap();
        access
    }

    /// Everything in a database as text, but for a restore's tables: what its own dump tool, run by root, makes of it.
    pub fn picture(&self, database: &str) -> String {
        use super::super::rewrite::Outward;
        use super::super::script::Script;
        use std::io::Read;
        let beside = self.root(&format!(
            "select table_name from information_schema.tables where table_schema='{database}' and table_name regexp '^sko?[0-9a-z]{{8}}_';"
        ));
        let out = Command::new("mariadb-dump")
            .arg("--no-defaults")
            .args(beside.lines().map(|t| format!("--ignore-table={database}.{t}")))
            .args(["-uroot", "--skip-comments", "--routines", "--events", "--triggers", "--hex-blob", "--order-by-primary"])
            .args(["--default-character-set=utf8mb4", "--skip-dump-date", "--single-transaction"])
            .args([format!("-S{}", self.socket.display()), database.to_owned()])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut text = String::new();
        Script::new(out.stdout.as_slice(), Outward::new(database)).read_to_string(&mut text).unwrap();
        text
    }
}

/// Objects and values that dumps lose or change.
pub const HARD: &str = r#"
set sql_mode='';
create table wp_posts (id bigint unsigned primary key auto_increment, post_title text, post_author int) engine=InnoDB;
insert into wp_posts values (1,'DEFINER=`root`@`%` ; -- it''s \\ fine 🎉',1),(2,'-- Dump completed\n/*!50001 CREATE VIEW */;\nDELIMITER ;;\n',2);
insert into wp_posts (id, post_title) values (0x10000, repeat('long; ''row '' ', 200000));
create table wp_cache (k varchar(50) primary key, v blob); insert into wp_cache values ('a', 'x'), ('b', 'y');
create table bits (id int primary key auto_increment, b longblob, bits bit(7), j json, d decimal(30,10), f double,
  z datetime default '0000-00-00 00:00:00', ts timestamp default current_timestamp on update current_timestamp,
  e enum('a','ü',''), s set('x','y'), g int generated always as (length(b)*2) stored, vg int generated always as (length(b)*3) virtual,
  constraint positive check (d < 1e30));
insert into bits (id,b,bits,j,d,f,e,s) values
  (1,unhex('00010203fffe5c27220a0d1a00'),b'1010101','{"a":[1,"ü",null]}',12345678901234567890.0123456789,1e-300,'ü','x,y'),
  (2,'',b'0',null,-0.0000000001,1.7976931348623157e308,'',''),(3,repeat(unhex('f09f8e89'),200000),null,'[]',null,0.1,null,null);
set sql_mode='NO_AUTO_VALUE_ON_ZERO'; insert into bits (id, b) values (0, 'zero'); set sql_mode='';
create table `float` (id int primary key, f float, d double);
create table loose (id int primary key, t text, fulltext(t)) engine=MyISAM; insert into loose values (1,'not transactional'),(2,'naïve 🎉');
create table latin (id int primary key, t varchar(100)) default charset=latin1; insert into latin values (1,'café'),(2,convert(unhex('636166C3A9') using latin1));
create table nopk (a int, b varchar(20)); insert into nopk values (1,'dup'),(1,'dup'),(null,null);
create table binpk (h binary(16) primary key, v int); insert into binpk values (unhex(md5('a')),1),(unhex(md5('b')),2);
create table `odd name ``x``; --` (`select` int primary key, `a b` varchar(10) comment 'it''s; -- odd'); insert into `odd name ``x``; --` values (1,'x');
create table `tschüß.2` (id int primary key); 
create table parent (id int primary key); create table child (id int primary key, p int, q int, key q (q),
  constraint hc foreign key (p) references parent(id) on delete cascade, foreign key (q) references parent(id));
insert into parent values (1),(2); insert into child values (1,1,2),(2,2,null);
create table circle_a (id int primary key, b int); create table circle_b (id int primary key, a int, constraint to_a foreign key (a) references circle_a(id));
alter table circle_a add constraint to_b foreign key (b) references circle_b(id);
create table audit (id int primary key auto_increment, what varchar(50)) auto_increment=1000;
create table a_table_whose_name_is_just_as_long_as_a_name_in_mysql_may_be_1 (id int primary key, p int,
  constraint a_constraint_whose_name_is_just_as_long_as_a_name_in_mysql_may_1 foreign key (p) references parent(id));
create table part (id int, y int, primary key(id,y)) partition by range(y) (partition p0 values less than (2020), partition p1 values less than maxvalue);
insert into part values (1,2010),(2,2030);
create sequence seq start with 100 increment by 7; create table numbered (id int default nextval(seq), t int);
insert into numbered (t) values (1),(2);
create view posts as select p.id, p.post_title from wp_posts p where p.id < 10;
create view a_view_of_a_view as select count(*) n from posts;
create or replace view first_of_all as select * from a_view_of_a_view;
delimiter //
create trigger trg after insert on parent for each row begin insert into audit(what) values (concat('parent; DEFINER=', new.id)); end//
create trigger trg2 before update on child for each row set new.q = old.q//
create procedure proc(in n int) sql security definer begin declare i int default 0; while i<n do insert into audit(what) values ('proc ;; //'); set i=i+1; end while; end//
create function fn(a int) returns int deterministic return a*2//
set sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'//
create procedure ansi() select "id", '\' from "parent"//
set sql_mode=''//
create event evt on schedule every 1 day starts '2030-01-01 00:00:00' disable do delete from audit where id<0//
delimiter ;
"#;
