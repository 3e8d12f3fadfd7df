// Memory in whole pages: how much there is, pages of one's own, and what the system should know of the pages of a file.
#pragma once

#include <cstddef>
#include <span>

namespace gesso::platform {

// The memory that this machine can still give to a process: what is free, together with what cached files take and
// could give up. Systems that do not tell it have the largest number.
size_t available_bytes();
// The memory of this machine, 0 on systems that do not tell it.
size_t total_bytes();

// At least `num_bytes` (not 0) of memory, from the start of a page on. nullptr when the system refuses.
std::byte* allocate_pages(size_t num_bytes);
void free_pages(std::byte* pages, size_t num_bytes);

// The bytes of a file that is mapped (InputFile::map) end here.
void unmap(std::byte* mapped, size_t num_bytes);
// Gives back the memory that reading this range of a mapped file has filled, and that of the page where it begins.
// Whoever reads it again loads it again.
void release_mapped(std::byte* mapped, size_t first, size_t end);
// Asks the system to read this range of a mapped file, and does not wait. This is only a hint.
void start_reading(std::span<const std::byte> mapped);

}  // namespace gesso::platform
