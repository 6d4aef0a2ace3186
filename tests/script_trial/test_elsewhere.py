"""What a script names by an absolute path is led into the scratch folder, and no file of the user's is touched."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.script_trial.test_scratch import run

LED = {
    "written": "open(root + '/out/best.pt', 'wb').write(b'x'); assert open(root + '/out/best.pt', 'rb').read() == b'x'",
    "written again": "[(open(root + '/new.pt', 'xb'), os.remove(root + '/new.pt')) for _ in range(2)]",
    "appended": "open(root + '/log.txt', 'a').write('x'); assert open(root + '/log.txt').read() == 'before\\nx'",
    "replaced": "open('x', 'w'); os.replace('x', root + '/out/best.pt'); assert not open(root + '/out/best.pt').read()",
    "moved": "os.rename(root + '/out/best.pt', root + '/out/old.pt'); assert os.listdir(root + '/out') == ['old.pt']",
    "removed": "os.remove(root + '/out/best.pt'); assert not os.path.exists(root + '/out/best.pt')",
    "removed whole": "shutil.rmtree(root + '/out'); assert not os.path.isdir(root + '/out'); os.mkdir(root + '/out')",
    "a new folder": "os.makedirs(root + '/a/b'); open(root + '/a/b/c', 'w'); shutil.rmtree(root + '/a')",
    "listed": "open(root + '/out/new.pt', 'w'); assert sorted(os.listdir(root + '/out')) == ['best.pt', 'new.pt']",
    "globbed": "open(root + '/out/new.pt', 'w'); assert len(list(pathlib.Path(root, 'out').glob('*.pt'))) == 2",
    "linked": "os.symlink('best.pt', root + '/out/last.pt'); assert os.path.islink(root + '/out/last.pt')",
    "announced": "announce(os, 'fsencode'); assert sys.argv[1] in os.fsencode(root + '/out/best.pt').decode()",
    "removed, then a database anew": """
os.remove(root + '/runs.sqlite'); base = sqlite3.connect(root + '/runs.sqlite')
base.execute('create table runs (x)'); base.commit(); base.close(); base = sqlite3.connect(root + '/runs.sqlite')
assert base.execute('select count(x) from runs').fetchone() == (0,)
""",
    "a database": """
base = sqlite3.connect(root + '/runs.sqlite'); base.execute('insert into runs values (1)'); base.commit()
base = sqlite3.connect(f'file:{root}/runs.sqlite?mode=ro', uri=True)
assert base.execute('select count(name) from runs').fetchone() == (1,)
""",
    "a database by its address": """
base = sqlite3.connect(f'file:{root}/runs.sqlite?mode=rw', uri=True)
base.execute('insert into runs values (1)'); base.commit()
""",
    "an archive": """
for form in ('w', 'w:gz', 'w:bz2'):
    with tarfile.open(root + '/out/best.pt', form) as archive: archive.add(__file__)
    assert len(tarfile.open(root + '/out/best.pt').getnames()) == 1
""",
    "compressed": """
bz2.open(root + '/out/best.pt', 'w').close(); assert not bz2.open(root + '/out/best.pt').read()
""",
    "a link replaced": """
os.mkdir(root + '/run1'); os.symlink(root + '/run1', root + '/tmp'); os.replace(root + '/tmp', root + '/latest')
open(root + '/latest/x', 'w'); assert os.listdir(root + '/run1') == ['x']
""",
    "through a link": """
open(root + '/last.pt', 'w').write('x'); assert open(root + '/out/best.pt').read() == 'x'
assert os.path.islink(root + '/last.pt') and open(root + '/last.pt').read() == 'x'
""",
    "a link moved": """
os.rename(root + '/last.pt', root + '/l.pt'); assert open(root + '/l.pt', 'rb').read() == b'precious'
""",
    "a new link to an old file": """
os.symlink('best.pt', root + '/out/l.pt'); open(root + '/out/l.pt', 'a').write('x')
assert open(root + '/out/best.pt').read() == 'preciousx' == open(root + '/out/l.pt').read()
""",
    "a link out of the project": """
os.symlink(sys.argv[1], root + '/out/l'); open(root + '/out/l/x', 'w'); assert 'x' in os.listdir(sys.argv[1])
""",
    "copied": """
open(root + '/a', 'w').write('x'); shutil.copy2(root + '/a', root + '/b'); shutil.move(root + '/b', root + '/c')
assert open(root + '/c').read() == 'x' and not os.path.exists(root + '/b')
os.mkdir(root + '/d'); open(root + '/d/x', 'w'); shutil.copytree(root + '/d', root + '/e'); os.listdir(root + '/e/')
shutil.copytree(root + '/d', root + '/out', dirs_exist_ok=True); assert len(os.listdir(root + '/out')) == 2
""",
    "linked hard": """
os.link(root + '/out/best.pt', 'mine'); open('mine', 'a').write('x'); open(root + '/a', 'w')
os.link(root + '/a', root + '/out/b'); assert open('mine').read() == 'preciousx'; os.stat(root + '/out/b')
""",
    "access given": """
os.chmod(root + '/out', 0o700); os.utime(root + '/out/best.pt'); os.utime(root + '/data', (0, 0))
assert os.stat(root + '/data').st_mtime == 0 and os.listdir(root + '/data') == ['x.bin']
""",
    "a link to a folder removed": """
os.remove(root + '/latest'); assert not os.path.lexists(root + '/latest') and os.listdir(root + '/out')
""",
    "emptied and removed": """
os.remove(root + '/out/best.pt'); os.rmdir(root + '/out'); assert not os.path.exists(root + '/out')
os.mkdir(root + '/out'); assert not os.listdir(root + '/out'); os.rmdir(root + '/out')
""",
    "not removed while not empty": """
open(root + '/new', 'w')
for each in ('/out', '/latest'):
    try: os.rmdir(root + each)
    except OSError: pass
    else: raise AssertionError
assert os.listdir(root + '/out')
""",
    "entered": """
open(root + '/out/new.pt', 'w'); os.chdir(root + '/out'); assert open('best.pt').read() == 'precious'
assert sorted(os.listdir()) == ['best.pt', 'new.pt'] and open('new.pt').read() == ''; os.statvfs(root + '/out')
os.makedirs(root + '/a'); os.chdir(root + '/a'); open('x', 'w'); assert os.listdir(root + '/a') == ['x']
""",
    "removed elsewhere": """
os.chdir(root + '/data')
name = tempfile.mkdtemp(); open(name + '/x.bin', 'w'); shutil.rmtree(name); assert not os.path.exists(name)
assert os.listdir() == ['x.bin']
""",
    "by keyword": """
open(file=root + '/new', mode='w'); assert 'new' in os.listdir(path=root); os.remove(path=root + '/new')
open('x', 'w'); os.replace('x', dst=root + '/y'); os.symlink('y', dst=root + '/z')
os.rename(src=root + '/z', dst=root + '/a')
assert os.path.islink(root + '/a') and not os.path.exists(root + '/new'); shutil.rmtree(path=root + '/out')
""",
    "pickled": """
open(root + '/new', 'w')
with multiprocessing.get_context('fork').Pool(1) as pool: assert 'new' in pool.map(os.listdir, [root])[0]
assert pickle.loads(pickle.dumps(open)) is open
""",
    "temporary names": """
for _ in range(9):
    open(root + '/t', 'w'); os.replace(root + '/t', root + '/out/best.pt')
    open(root + '/t', 'w'); os.remove(root + '/t')
from headwater.script_trial import guard
assert not guard._leading[0]._gone
""",
    "read though it is large": """
elsewhere.LARGE = 3; assert open(root + '/out/best.pt').read() == 'precious'; open(root + '/out/best.pt', 'w')
""",
    "from an open folder": """
folder = os.open(root + '/out', os.O_RDONLY); os.close(os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=folder))
os.remove('best.pt', dir_fd=folder); assert os.listdir(root + '/out') == ['new']
""",
    "hidden": "open(root + '/.ckpt/last.pt', 'wb'); open(root + '/.git/config', 'wb')",
    "saved safely": "with tempfile.NamedTemporaryFile('w', dir=root + '/out', delete=False) as file: file.write('x')\n"
    "os.replace(file.name, root + '/out/best.pt'); assert pathlib.Path(root, 'out/best.pt').read_text() == 'x'",
}
IMPORTED = """
import bz2, io, multiprocessing, os, pathlib, pickle, shutil, sqlite3, sys, tarfile, tempfile
from headwater.script_trial import elsewhere
from headwater.script_trial.guard import announce, protect
"""
PROTECTED = f"""
{IMPORTED}
protect(sys.argv[1], [sys.argv[2]])
root = sys.argv[2]
"""
REFUSED = {
    "removed": "os.remove(file); io.FileIO(file, 'w')",
    "there": "io.FileIO(file, 'w')",
    "a link": "os.replace(b'x', os.fsencode(root + '/last.pt'))",
    "bytes": "os.chmod(os.fsencode(file), 0o777)",
    "large": "elsewhere.LARGE = 3; open(file, 'r+')",
    "from an open folder": "os.replace('x', 'best.pt', dst_dir_fd=os.open(root + '/out', os.O_RDONLY))",
    "linked": "os.link(os.fsencode(file), b'y')",
    "a folder moved": "open(root + '/out/new', 'w'); os.rename(root + '/out', root + '/old')",
    "a database": """
os.remove(root + '/runs.sqlite'); sqlite3.Connection(root + '/runs.sqlite').execute('create table t (x)')
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("src", "data", "out", ".git", ".ckpt"):
        (root / name).mkdir(parents=True)
    for name in ("data/x.bin", "out/best.pt", ".git/config", ".ckpt/last.pt"):
        (root / name).write_bytes(b"precious")
    (root / "log.txt").write_text("before\n")
    (root / "last.pt").symlink_to("out/best.pt")
    (root / "latest").symlink_to("out")
    with sqlite3.connect(root / "runs.sqlite") as base:
        base.execute("create table runs (name)")
    base.close()
    return root


def state(project: Path) -> dict[str, tuple[object, ...]]:
    """All that is in it, but its script."""
    found: dict[str, tuple[object, ...]] = {}
    for path in project.rglob("*"):
        if path.parent.name == "src" or path.name == "src":
            continue
        about = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        found[str(path)] = (about.st_mode, about.st_nlink, about.st_mtime_ns, content)
    return found


@pytest.mark.parametrize("way", LED)
def test_what_is_named_by_its_absolute_path_is_led_into_the_scratch_folder(project: Path, way: str) -> None:
    before = state(project)
    done = run(project, f"{PROTECTED}{LED[way]}")
    assert done.returncode == 0, done.stderr
    assert state(project) == before


@pytest.mark.parametrize("way", REFUSED)
def test_a_file_that_is_written_on_a_way_that_is_not_led_is_not_touched(project: Path, way: str) -> None:
    before = state(project)
    done = run(project, f"{PROTECTED}open('x', 'w'); file = root + '/out/best.pt'\n{REFUSED[way]}")
    assert done.returncode == 1 and "PermissionError" in done.stderr and f"{project}/" in done.stderr, done.stderr
    assert "a trial of headwater fix" in done.stderr and state(project) == before


def test_caches_that_variables_name_are_written_as_they_are(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(project / "cache"))
    monkeypatch.setenv("HF_HOME", str(project.parent))  # the project is in it, so this says nothing
    before = state(project)
    done = run(
        project, f"{PROTECTED}os.mkdir(root + '/cache'); open(root + '/cache/x', 'w'); open(root + '/out/y', 'w')"
    )
    assert done.returncode == 0, done.stderr
    assert set(state(project)) - set(before) == {str(project / "cache"), str(project / "cache" / "x")}


TORCH = """
import os, sys
import safetensors.torch, torch
from safetensors.torch import load_file, save_file
from headwater.script_trial.doing import _announce_safetensors, _announce_torch
from headwater.script_trial.guard import protect
protect(sys.argv[1], [sys.argv[2]])
_announce_torch(torch)
_announce_safetensors()
file, ones = sys.argv[2] + '/out/best.pt', torch.ones(3)
"""
SAVED = {
    "h5py": """
import h5py
from headwater.script_trial.doing import _announce_h5py
_announce_h5py()
os.makedirs(sys.argv[2] + '/run')
for name in ('/run/x.h5', '/out/old.h5'):
    with h5py.File(sys.argv[2] + name, 'a') as data: data['x'] = [1.0]
    assert list(h5py.File(sys.argv[2] + name)) == ['x']
h5py.File(sys.argv[2] + '/out/old.h5', 'w')
""",
    "safetensors": "save_file({'x': ones}, file); assert load_file(file)['x'].equal(ones)",
    "safetensors by name": "save_file(filename=file, tensors={'x': ones}); assert load_file(filename=file)",
    "torch": "torch.save(ones, file); assert torch.load(file).equal(ones) and torch.load(file, mmap=True).equal(ones)",
    "jit": "m = torch.jit.trace(torch.nn.Linear(3, 1), ones); torch.jit.save(m, file); torch.jit.load(file)(ones)\n"
    "m.save(file)",
    "mapped": "x = torch.from_file(file, shared=True, size=2); x.zero_(); assert open(file, 'rb').read() == bytes(8)",
    "mapped storage": "torch.UntypedStorage.from_file(file, True, 8)[0] = 1; assert open(file, 'rb').read()[0] == 1",
}


@pytest.mark.parametrize("way", SAVED)
def test_so_is_what_torch_writes_by_itself_where_it_was_imported_before(project: Path, way: str) -> None:
    if way == "h5py":
        with pytest.importorskip("h5py").File(project / "out" / "old.h5", "w"):
            pass
    before = state(project)
    done = run(project, f"{TORCH}{SAVED[way]}")
    assert done.returncode == 0, done.stderr
    assert state(project) == before
