"""What the library does where a function of torch fails, beside stubs of torch that fail when they are told to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cuda_source
import pytest

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")

INCLUDES = [f"-I{cuda_source.CSRC}", f"-I{Path(__file__).parent}"]
STUBS = """
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include "library.cpp"
#include "torch_stubs.h"

int live = 4;           // handles that have not been given back
uint64_t unreadable;    // one of them
int removal_fails = 0;

template <class Opaque> int32_t failed(Opaque* handle) { return reinterpret_cast<uint64_t>(handle) == unreadable; }

extern "C" {
int32_t aoti_torch_get_dim(AtenTensorOpaque* t, int64_t*) { return failed(t); }
int32_t aoti_torch_get_sizes(AtenTensorOpaque*, int64_t**) { return 0; }
int32_t aoti_torch_get_strides(AtenTensorOpaque*, int64_t**) { return 0; }
int32_t aoti_torch_get_dtype(AtenTensorOpaque*, int32_t*) { return 0; }
int32_t torch_get_const_data_ptr(AtenTensorOpaque*, const void**) { return 0; }
int32_t aoti_torch_delete_tensor_object(AtenTensorOpaque*) { return --live, 0; }
int32_t torch_list_size(StableListOpaque* list, size_t* size) { *size = 0; return failed(list); }
int32_t torch_delete_list(StableListOpaque*) { return --live, 0; }
int32_t torch_string_length(StringOpaque* string, size_t* length) { *length = 0; return failed(string); }
int32_t torch_string_c_str(StringOpaque*, const char** data) { *data = ""; return 0; }
int32_t torch_delete_string(StringOpaque*) { return --live, 0; }
int32_t aoti_torch_library_init_fragment(const char*, const char*, uint32_t, TorchLibraryOpaque** made) {
  *made = reinterpret_cast<TorchLibraryOpaque*>(1);
  return 0;
}
int32_t aoti_torch_library_init_impl(const char*, const char*, const char*, uint32_t, TorchLibraryOpaque** made) {
  return aoti_torch_library_init_fragment("", "", 0, made);
}
int32_t aoti_torch_delete_library_object(TorchLibraryOpaque*) { return removal_fails; }
}

namespace specops {
std::vector<Op> spectral_cpu_ops() { return {}; }
std::vector<Op> resample_cpu_ops() { return {}; }
std::vector<Op> resample_cpu_raw_ops() { return {}; }
std::vector<const Engine*> engines() { return {}; }
const Engine& engine() {
  static int calls = 0;
  throw std::runtime_error("call " + std::to_string(++calls));
}
}  // namespace specops

void kernel(const specops::Tensor&, const std::vector<int64_t>&, const std::string&, const specops::Tensor&) {}

"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of the stubs that does what its first argument says."""
    made = tmp_path_factory.mktemp("glue") / "program"
    main = """
    int main(int, char** arguments) {
      const std::string what = arguments[1];
      if (what == "call") {
        unreadable = std::atoi(arguments[2]);
        uint64_t stack[] = {1, 2, 3, 4};
        try {
          specops::boxed<kernel>(stack, 4, 0);
          std::puts("read");
        } catch (const std::runtime_error& error) {
          std::puts(error.what());
        }
        std::printf("%d left\\n", live);
      } else if (what == "errors") {
        const char* first = specops_isa_error();
        std::thread([] { std::puts(specops_isa_error()); }).join();
        std::puts(first);
      } else {
        removal_fails = 1;
        specops_let_python_choose();
        std::puts(specops_registration_error());
      }
    }
    """
    options = ["-no-pie", "-pthread", *INCLUDES, "-Wl,--unresolved-symbols=ignore-all"]
    command = ["g++", "-std=c++17", *options, "-x", "c++", "-", "-o", made]
    subprocess.run(command, input=STUBS + main, text=True, check=True)
    return made


def told(program: Path, *arguments: object) -> list[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


UNREADABLE = {0: "read", 1: "describe a tensor", 2: "read a list", 3: "read a string", 4: "describe a tensor"}


@pytest.mark.parametrize("which", UNREADABLE, ids=["none", "a tensor", "a list", "a string", "the last"].__getitem__)
def test_every_handle_of_a_call_is_given_back(compiled: Path, which: int) -> None:
    first, left = told(compiled, "call", which)
    assert UNREADABLE[which] in first
    assert left == "0 left"


def test_the_error_of_one_thread_outlives_that_of_another(compiled: Path) -> None:
    assert told(compiled, "errors") == ["call 2", "call 1"]


def test_kernels_that_stay_are_an_error(compiled: Path) -> None:
    """They would stand in front of the backend that Python chooses."""
    assert "torch cannot remove kernels" in told(compiled, "removal")[0]
