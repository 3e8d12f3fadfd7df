#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "gesso/tokenizer.h"

namespace gesso::bindings {
namespace {

using IdList = nb::typed<nb::list, int>;

template <typename Body>
auto without_gil(const Body& body) {
  const ReleaseGil release;
  return body();
}

// Ctrl-C ends it: a text may have 100 million ids.
IdList to_list(const std::vector<int32_t>& ids) {
  IdList list;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % 65536 == 65535) poll_signals();
    list.append(ids[i]);
  }
  return list;
}

}  // namespace

void bind_tokenizer(nb::module_& module) {
  nb::class_<Tokenizer>(module, "Tokenizer", "A tokenizer of the kind byte-fallback BPE, read from a checkpoint.")
      .def(
          "encode",
          [](const Tokenizer& self, std::string_view text, bool parse_special) {
            return to_list(without_gil([&] { return self.encode(text, parse_special, poll_signals); }));
          },
          nb::arg("text"), nb::arg("parse_special") = true,
          "Token ids of a text. Special tokens written out in it become their ids if parse_special. Adds no <bos>.")
      .def(
          "encode_prompt",
          [](const Tokenizer& self, std::string_view text) {
            return to_list(without_gil([&] { return self.encode_prompt(text, poll_signals); }));
          },
          nb::arg("text"),
          "Token ids of a prompt, with <bos> in front if the model wants one and the text does not begin with it.")
      .def(
          "encode_prompt_parts",
          [](const Tokenizer& self, const std::vector<std::pair<std::string, bool>>& parts, bool is_whole) {
            std::vector<TextPart> views;
            for (const auto& [text, parse_special] : parts) views.push_back({text, parse_special});
            return to_list(without_gil(
                [&] { return is_whole ? self.encode_prompt(views, poll_signals) : self.encode(views, poll_signals); }));
          },
          nb::arg("parts"), nb::arg("is_whole") = true,
          "Token ids of a prompt in parts, pairs of text and parse_special. Text that does not begin the prompt gets no"
          " <bos> in front: is_whole=False.")
      .def("fewest_ids", &Tokenizer::fewest_ids, nb::arg("num_bytes"),
           "So many ids, at least, any text of num_bytes has.")
      .def(
          "decode",
          [](const Tokenizer& self, const std::vector<int32_t>& ids, bool skip_special_tokens) {
            return self.decode(ids, skip_special_tokens);
          },
          nb::arg("ids"), nb::arg("skip_special_tokens") = true, nb::call_guard<ReleaseGil>(),
          "The text of token ids. Bytes that are no UTF-8 become U+FFFD.")
      .def("token", &Tokenizer::token, nb::arg("id"), "A token as the vocabulary spells it.")
      .def("find", &Tokenizer::find, nb::arg("token"), "The id of a token, or None.")
      .def("is_special", &Tokenizer::is_special, nb::arg("id"))
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size)
      .def_prop_ro("bos_token_id", &Tokenizer::bos)
      .def_prop_ro("eos_token_id", &Tokenizer::eos)
      .def_prop_ro("unk_token_id", &Tokenizer::unk)
      .def_prop_ro("pad_token_id", &Tokenizer::pad)
      .def_prop_ro("add_bos", &Tokenizer::add_bos, "Whether raw text wants a <bos> in front.")
      .def_prop_ro("chat_template", &Tokenizer::chat_template, "The Jinja source; empty when there is none.");

  // Its calls are short, and keep the GIL. So two threads that push into one decoder do not meet inside it.
  nb::class_<StreamDecoder>(module, "StreamDecoder", "Decodes ids bit by bit without ever splitting a character.")
      .def(nb::init<Tokenizer, bool>(), nb::arg("tokenizer"), nb::arg("skip_special_tokens") = true)
      .def(
          "push", [](StreamDecoder& self, const std::vector<int32_t>& ids) { return self.push(ids); }, nb::arg("ids"),
          "Takes further ids and returns the text that no later id can change.")
      .def("flush", &StreamDecoder::flush, "The text that was held back, when no further ids come.")
      .def(
          "__reduce_ex__",
          [](const StreamDecoder&, int) {
            throw nb::type_error(
                "gesso.StreamDecoder: cannot be copied or pickled, since its content is native memory; make another"
                " stream_decoder(), and push the ids again");
          },
          nb::arg("protocol"), nb::sig("def __reduce_ex__(self, protocol: typing.SupportsIndex) -> typing.NoReturn"));
}

}  // namespace gesso::bindings
