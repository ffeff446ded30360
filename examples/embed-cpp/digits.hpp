// The network as a class: it ends itself, and failures are exceptions.
#pragma once

#include "digits.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

class Digits {
public:
    static constexpr std::size_t pixels = DIGITS_PREDICT_IMAGE_ELEMENTS(1);
    static constexpr std::size_t classes = DIGITS_PREDICT_LOGITS_ELEMENTS(1);
    static constexpr std::size_t largest_batch = DIGITS_BATCH_MAX;

    /// The network with the weights that the library holds; 0 threads are as many as the machine runs at once.
    explicit Digits(std::uint32_t threads = 1)
    {
        digits_options options = DIGITS_OPTIONS;
        options.threads = threads;
        digits *made = nullptr;
        check(digits_create(&made, &options));
        model_.reset(made);
    }

    /// Takes other weights in place of the library's.
    void load(const std::string &path) { check(digits_load(model_.get(), path.c_str(), DLC_LOAD_ALL)); }

    /// A row of scores per picture, of any number of pictures.
    std::vector<float> predict(const std::vector<float> &pictures)
    {
        if (pictures.size() % pixels != 0) throw std::invalid_argument("a picture has 64 pixels");
        const std::size_t count = pictures.size() / pixels;
        std::vector<float> scores(count * classes);
        for (std::size_t first = 0; first < count; first += largest_batch) {
            const std::size_t batch = count - first < largest_batch ? count - first : largest_batch;
            check(digits_predict(model_.get(), batch, pictures.data() + first * pixels, scores.data() + first * classes));
        }
        return scores;
    }

private:
    struct End {
        void operator()(digits *model) const { digits_destroy(model); }
    };

    void check(dlc_status status) const
    {
        if (status == DLC_OK) return;
        const std::string detail = digits_message(model_.get());
        throw std::runtime_error(std::string(digits_status_text(status)) + (detail.empty() ? "" : ": " + detail));
    }

    std::unique_ptr<digits, End> model_;
};
