// Recognises handwritten digits: recognise PICTURES [WEIGHTS]. A picture is a line of 64 brightnesses and the digit that
// it shows; the first line names the columns.
#include "digits.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

int main(int count, char **arguments)
{
    if (count < 2) {
        std::cerr << "usage: recognise PICTURES [WEIGHTS]\n";
        return 2;
    }
    std::ifstream file(arguments[1]);
    std::string line;
    std::getline(file, line);
    std::vector<float> pictures;
    std::vector<std::ptrdiff_t> shown;
    while (std::getline(file, line)) {
        std::replace(line.begin(), line.end(), ',', ' ');
        std::istringstream numbers(line);
        float pixel = 0;
        for (std::size_t one = 0; one < Digits::pixels && numbers >> pixel; one++) pictures.push_back(pixel);
        std::ptrdiff_t digit = 0;
        numbers >> digit;
        shown.push_back(digit);
    }
    try {
        Digits network;
        if (count > 2) network.load(arguments[2]);
        const std::vector<float> scores = network.predict(pictures);
        std::size_t right = 0;
        for (std::size_t one = 0; one < shown.size(); one++) {
            const float *row = scores.data() + one * Digits::classes;
            right += std::max_element(row, row + Digits::classes) - row == shown[one];
        }
        std::cout << right << " of " << shown.size() << " digits are right\n";
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
