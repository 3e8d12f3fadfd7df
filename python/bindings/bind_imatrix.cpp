#include "gesso/imatrix.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace gesso::bindings {

using Matrix = nb::ndarray<nb::numpy, const float, nb::ndim<2>>;

void bind_imatrix(nb::module_& module) {
  nb::class_<ImatrixEntry>(module, "ImatrixEntry", "How much an error in each column of a weight counts.")
      .def_ro("name", &ImatrixEntry::name, "The weight's.")
      .def_prop_ro(
          "values",
          [](const ImatrixEntry& self) {
            return Matrix(self.values.data(),
                          {static_cast<size_t>(self.num_experts), static_cast<size_t>(self.num_columns)});
          },
          "float32 [experts, columns]; a plain matrix counts as one expert.");
  module.def(
      "read_imatrix",
      [](nb::bytes path) {
        const std::string name(path.c_str(), path.size());
        ReleaseGil release;
        return read_imatrix(name);
      },
      nb::arg("path"), "Reads an importance matrix. The path is what os.fsencode() gives.");
}

}  // namespace gesso::bindings
