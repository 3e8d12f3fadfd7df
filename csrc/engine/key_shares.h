// How many rows passes have computed for each key: what the scheduler shares the passes by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace gesso::engine {

// Knows the keys of the requests that have not ended.
class KeyShares {
 public:
  // A request of the key has come. A key that had none has no claim to what the others were served before: it begins
  // with as many rows as the one that was served least.
  void enter(int64_t key) {
    const auto [share, is_new] = shares_.try_emplace(key);
    if (is_new) share->second.served = least_but(key);
    ++share->second.num_requests;
  }
  // A request of the key has ended.
  void leave(int64_t key) {
    const auto share = shares_.find(key);
    if (--share->second.num_requests == 0) shares_.erase(share);
  }
  void serve(int64_t key, int64_t rows) { shares_.at(key).served += rows; }
  int64_t served(int64_t key) const { return shares_.at(key).served; }

 private:
  struct Share {
    int64_t served = 0, num_requests = 0;
  };

  int64_t least_but(int64_t key) const {
    int64_t least = -1;
    for (const auto& [other, share] : shares_) {
      if (other != key && (least < 0 || share.served < least)) least = share.served;
    }
    return std::max<int64_t>(least, 0);
  }

  std::map<int64_t, Share> shares_;
};

}  // namespace gesso::engine
